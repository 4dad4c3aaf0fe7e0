/** From the facts of a file's statements to what its strings name. */
import type { CallValue, LooseString, TextValue, Value } from "./facts.ts";
import { byPlace, type Found, type NamedString, pinsOf } from "./found.ts";
import { Meanings, type Registry } from "./meanings.ts";
import { Names, type Place, type Statement } from "./names.ts";
import { Origins } from "./origins.ts";
import { FUNCTIONS, LENSES, type Parameter, REGISTRY_METHODS } from "./parameters.ts";
import type { CallSite } from "./reference.ts";

/** What the strings of a file name, and the calls that a lens stands over. */
export function resolve(statements: readonly Statement[]): Found {
  return new Resolution(statements).found();
}

class Resolution {
  readonly #statements: readonly Statement[];
  readonly #meanings: Meanings;
  readonly #origins: Origins;
  /** By where they begin. */
  readonly #strings = new Map<number, NamedString>();
  /** Strings that name files and other things of other libraries. */
  readonly #foreign = new Set<number>();
  readonly #calls: CallSite[] = [];

  constructor(statements: readonly Statement[]) {
    this.#statements = statements;
    const names = new Names(statements);
    this.#origins = new Origins(names);
    this.#meanings = new Meanings(names, this.#origins);
  }

  found(): Found {
    // A long file is gone through once; few of its statements have strings.
    const others: Statement[] = [];
    for (let index = 0; index < this.#statements.length; index += 1) {
      const statement = this.#statements[index];
      if (statement === undefined) continue;
      const { calls, strings, pins } = statement.facts;
      if (calls.length > 0) this.#readCalls(statement, index);
      if (strings.length > 0 || pins.length > 0) others.push(statement);
    }
    for (const { cut, facts } of others) {
      for (const loose of facts.strings) this.#readLoose(loose, cut.from);
    }
    return {
      strings: byPlace([...this.#strings.values()]),
      calls: byPlace(this.#calls),
      pins: pinsOf(others),
    };
  }

  #readCalls({ cut, facts }: Statement, index: number): void {
    for (const { call, scope } of facts.calls) {
      const place = this.#meanings.names.place(index, scope, cut.from + call.span.from);
      if (place !== undefined) this.#readCall(call, place, cut.from);
    }
  }

  #readLoose({ text, kind, span }: LooseString, base: number): void {
    const from = base + span.from;
    if (this.#strings.has(from) || this.#foreign.has(from)) return;
    const whole = { from, to: base + span.to };
    const found = {
      kind,
      text,
      span: whole,
      certain: false,
      special: false,
      closed: true,
      registry: undefined,
    };
    this.#strings.set(from, found);
  }

  #readCall(call: CallValue, place: Place, base: number): void {
    const registry = call.receiver && this.#meanings.registryOf(call.receiver, place);
    const method = registry && REGISTRY_METHODS.get(call.name);
    const known = method ?? (this.#origins.isOurs(call) ? FUNCTIONS.get(call.name) : undefined);
    // What else such a call is given names something of its own: a run, a bucket, a file.
    if (known !== undefined || this.#origins.isForeign(call)) this.#passOver(call, base);
    if (known === undefined) return;
    this.#readArguments(
      call,
      known,
      place,
      base,
      method ? registry : this.#meanings.givenRegistry(call, place),
    );
    const lens = LENSES.get(call.name);
    if (lens === undefined) return;
    const named = call.named.find(([key]) => key === lens.name)?.[1];
    const value = named ?? (lens.at === undefined ? undefined : call.positional[lens.at]);
    const { from, to } = call.span;
    this.#calls.push({
      kind: lens.kind,
      span: { from: base + from, to: base + to },
      argument: value && this.#textOf(value, place, base)?.text,
      registry: registry?.spec,
    });
  }

  #readArguments(
    call: CallValue,
    parameters: readonly Parameter[],
    place: Place,
    base: number,
    registry: Registry | undefined,
  ): void {
    for (const { kind, at, name, rest } of parameters) {
      const named = name === undefined ? undefined : call.named.find(([key]) => key === name)?.[1];
      const positional = at === undefined ? [] : call.positional.slice(at, rest ? undefined : at + 1);
      const values = named === undefined ? positional : [named];
      for (const value of values.flatMap((one) => (one.kind === "list" ? one.items : [one]))) {
        const found = this.#textOf(value, place, base);
        if (found === undefined) continue;
        const spec = kind === "model" || kind === "tag" ? registry?.spec : undefined;
        const { text, span, closed } = found;
        this.#name({ kind, text, span, certain: true, special: true, closed, registry: spec });
      }
    }
  }

  /** The use that comes first in the file says what a constant names. */
  #name(string: NamedString): void {
    if (!this.#strings.has(string.span.from)) this.#strings.set(string.span.from, string);
  }

  /** The string that a value is, with its place in the file. */
  #textOf(value: Value, place: Place, base: number): TextValue | undefined {
    if (value.kind === "text") {
      return { ...value, span: { from: base + value.span.from, to: base + value.span.to } };
    }
    const constant = this.#meanings.constant(value, place);
    return constant?.value.kind === "text" ? this.#located(constant.value, constant.place) : undefined;
  }

  /** A string in another statement: its place counts from that one's start. */
  #located(value: TextValue, place: Place): TextValue {
    const base = this.#baseAt(place.at);
    return { ...value, span: { from: base + value.span.from, to: base + value.span.to } };
  }

  #baseAt(at: number): number {
    let low = 0;
    let high = this.#statements.length - 1;
    while (low < high) {
      const middle = (low + high + 1) >> 1;
      if ((this.#statements[middle]?.cut.from ?? 0) <= at) low = middle;
      else high = middle - 1;
    }
    return this.#statements[low]?.cut.from ?? 0;
  }

  #passOver(call: CallValue, base: number): void {
    for (const value of [...call.positional, ...call.named.map(([, named]) => named)]) {
      if (value.kind === "text") this.#foreign.add(base + value.span.from);
    }
  }
}
