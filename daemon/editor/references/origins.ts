import { type CallValue, firstName } from "./facts.ts";
import type { Names } from "./names.ts";
import { DISTINCTIVE } from "./parameters.ts";

/** What loads files by their names, and is often seen without its import. */
const FOREIGN =
  /^(?:json|JSON|torch|yaml|np|numpy|jnp|pickle|joblib|toml|tomllib|tf|keras|pd|pandas|OmegaConf|mlflow|wandb|path|Promise|require)$/;
/** Calls upon the results of calls. */
const LONGEST_CHAIN = 6;

/** Tells the client's functions from those of other libraries. */
export class Origins {
  readonly #names: Names;

  constructor(names: Names) {
    this.#names = names;
  }

  /** Whether a function is the client's. */
  isOurs(call: CallValue): boolean {
    if (DISTINCTIVE.has(call.name)) return true;
    const root = rootOf(call);
    const module = root && this.#names.moduleOf(root);
    if (module !== undefined && this.#names.isOurs(module)) return true;
    if (root === "pe" || root === "pipekit_experiment") return true;
    return this.#names.usesClient && (module === undefined || module.startsWith("."));
  }

  /** Whether it is a function of another library. */
  isForeign(call: CallValue): boolean {
    const root = rootOf(call);
    return root !== undefined && this.isForeignName(root);
  }

  isForeignName(path: string): boolean {
    const root = firstName(path);
    const module = this.#names.moduleOf(root);
    if (module !== undefined) return !this.#names.isOurs(module) && !/registry/i.test(root);
    return FOREIGN.test(root);
  }
}

/** The first name of what is called. */
function rootOf(call: CallValue): string | undefined {
  let receiver = call.receiver;
  for (let depth = 0; receiver?.kind === "call" && depth < LONGEST_CHAIN; depth += 1) {
    if (receiver.receiver === undefined) return receiver.name;
    receiver = receiver.receiver;
  }
  if (receiver === undefined) return call.name;
  return receiver.kind === "name" ? firstName(receiver.path) : undefined;
}
