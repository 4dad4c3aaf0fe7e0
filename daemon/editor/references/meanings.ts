import { type CallValue, lastName, type Value } from "./facts.ts";
import type { Names, Place } from "./names.ts";
import type { Origins } from "./origins.ts";
import { DISTINCTIVE, REGISTRY_TYPES } from "./parameters.ts";
import { specOf } from "./registry-spec.ts";

/** How far a name is followed from constant to constant. */
const LONGEST_CHAIN = 6;
const REGISTRY_NAME = /(?:^|[._#])(?:\w*_)?(?:model_?)?(?:registry|registries)\d*$|Registry$/i;
/** As a name of registries it is too common, unless the file imports the client. */
const MODELS_NAME = /(?:^|[._#])models$/;

export interface Registry {
  /** Undefined where the file does not tell it. */
  readonly spec: string | undefined;
}

/** What values mean: the constants that names stand for, and the registries that they are. */
export class Meanings {
  readonly names: Names;
  readonly #origins: Origins;

  constructor(names: Names, origins: Origins) {
    this.names = names;
    this.#origins = origins;
  }

  /** What a name stands for in the end, and where that was given. */
  constant(value: Value, place: Place): { readonly value: Value; readonly place: Place } | undefined {
    let found = { value, place };
    for (let step = 0; found.value.kind === "name"; step += 1) {
      const next = step < LONGEST_CHAIN ? this.names.lookUp(found.value.path, found.place) : undefined;
      if (next === undefined) return undefined;
      found = next;
    }
    return found;
  }

  /** The registry that a value is; undefined for what is none. */
  registryOf(value: Value, place: Place, depth = 0): Registry | undefined {
    if (value.kind === "call") return this.#made(value, place);
    if (value.kind === "instance")
      return REGISTRY_TYPES.has(lastName(value.of)) ? { spec: undefined } : undefined;
    if (value.kind !== "name") return undefined;
    const given = depth < LONGEST_CHAIN ? this.names.lookUp(value.path, place) : undefined;
    const found = given && this.registryOf(given.value, given.place, depth + 1);
    if (found !== undefined) return found;
    const named = REGISTRY_NAME.test(value.path) || (this.names.usesClient && MODELS_NAME.test(value.path));
    return named && !this.#origins.isForeignName(value.path) ? { spec: undefined } : undefined;
  }

  /** What the argument `registry` of a call says. */
  givenRegistry(call: CallValue, place: Place): Registry | undefined {
    const at = call.name === "ModelRef" ? 1 : undefined;
    const given =
      call.named.find(([key]) => key === "registry")?.[1] ??
      (at === undefined ? undefined : call.positional[at]);
    if (given === undefined) return call.name === "ModelRef" ? { spec: "" } : undefined;
    const plain = this.#plain(given, place);
    return plain.kind === "text" ? { spec: plain.text } : this.registryOf(given, place);
  }

  #made(call: CallValue, place: Place): Registry | undefined {
    const isMethod = call.name === "registry" && call.receiver !== undefined;
    const isType = REGISTRY_TYPES.has(call.name) && DISTINCTIVE.has(call.name);
    if (!isMethod && !isType && call.name !== "open_registry") return undefined;
    return { spec: specOf(call, (value) => this.#plain(value, place)) };
  }

  #plain(value: Value, place: Place): Value {
    // `Path("/srv/models")` says no more than its text.
    const inner = value.kind === "call" && value.name === "Path" ? value.positional[0] : value;
    return inner === undefined ? value : (this.constant(inner, place)?.value ?? inner);
  }
}
