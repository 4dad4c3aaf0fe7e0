import { SpanKind } from "@opentelemetry/api";
import { PipekitError } from "@pipekit/proto";
import type { Instruments } from "./instruments.ts";
import { withMembers } from "./members.ts";
import { endSpan, type Tracing } from "./tracing.ts";

/** What is measured of a registry. Watching a tag has no end that would tell anything. */
const OPERATIONS = [
  ...["store", "hash", "load", "stat", "list", "resolve", "diff", "verify", "gc"],
  ...["tag", "rollbackTag", "deleteTag", "tagHistory", "listTags", "pin", "unpin", "listPins"],
  ...["copyTo", "exportTo", "importFrom"],
];

interface AnyRegistry {
  readonly spec: string;
}

interface AnyRegistries {
  open(spec: string): Promise<AnyRegistry>;
}

/** The last message of a collection. */
interface GcPart {
  readonly part?: { readonly $case: string; readonly value: unknown } | undefined;
}

/** The same registries, whose operations are measured. A load is measured until its first bytes. */
export function observedRegistries<R extends AnyRegistries>(
  registries: R,
  instruments: Instruments,
  tracing: Tracing | undefined,
): R {
  const observed = new WeakMap<AnyRegistry, AnyRegistry>();
  const plain = new WeakMap<object, AnyRegistry>();
  const open = async (spec: string): Promise<AnyRegistry> => {
    const registry = await registries.open(spec);
    const known = observed.get(registry);
    if (known !== undefined) return known;
    const made = observe(registry, instruments, tracing, (given) => plain.get(given) ?? given);
    observed.set(registry, made);
    plain.set(made, registry);
    return made;
  };
  return withMembers(registries, { open } as Partial<R>);
}

function observe(
  registry: AnyRegistry,
  instruments: Instruments,
  tracing: Tracing | undefined,
  plainOf: (given: object) => object,
): AnyRegistry {
  const kind = registry.spec.slice(0, registry.spec.indexOf(":"));
  const over = OPERATIONS.map((operation) => {
    const member: unknown = Reflect.get(registry, operation);
    if (typeof member !== "function") return [];
    const measured = (...given: unknown[]): unknown => {
      const measure = new Measure(operation, kind, instruments, tracing);
      // A registry that is the target of another's operation is asked for its private parts.
      const args = given.map((one) => (typeof one === "object" && one !== null ? plainOf(one) : one));
      return measure.around(() => Reflect.apply(member, registry, args));
    };
    return [[operation, measured]];
  });
  return withMembers(registry, Object.fromEntries(over.flat()));
}

/** One operation. */
class Measure {
  readonly #begun = performance.now();
  readonly #operation: string;
  readonly #kind: string;
  readonly #instruments: Instruments;
  readonly #tracing: Tracing | undefined;
  readonly #span;

  constructor(operation: string, kind: string, instruments: Instruments, tracing: Tracing | undefined) {
    this.#operation = operation;
    this.#kind = kind;
    this.#instruments = instruments;
    this.#tracing = tracing;
    this.#span = tracing?.start(`registry ${operation}`, SpanKind.INTERNAL, { "registry.kind": kind });
  }

  around(work: () => unknown): unknown {
    let answer: unknown;
    try {
      answer = this.#within(work);
    } catch (error) {
      throw this.#failed(error);
    }
    if (answer instanceof Promise) {
      return answer.then(
        (value: unknown) => {
          this.#end("ok");
          return value;
        },
        (error: unknown) => {
          throw this.#failed(error);
        },
      );
    }
    return this.#each(answer as AsyncIterable<unknown>);
  }

  async *#each(items: AsyncIterable<unknown>): AsyncGenerator<unknown> {
    let outcome = "stopped";
    try {
      for await (const item of items) {
        if (this.#operation === "gc") this.#collected(item as GcPart);
        yield item;
      }
      outcome = "ok";
    } catch (error) {
      outcome = outcomeOf(error);
      throw error;
    } finally {
      this.#end(outcome);
    }
  }

  #collected({ part }: GcPart): void {
    if (part?.$case !== "summary") return;
    const { deleted, deletedBytes } = part.value as {
      readonly deleted: number;
      readonly deletedBytes: number;
    };
    this.#instruments.collectedModels.add(deleted, { "registry.kind": this.#kind });
    this.#instruments.collectedBytes.add(deletedBytes, { "registry.kind": this.#kind });
  }

  #within<T>(work: () => T): T {
    return this.#tracing === undefined || this.#span === undefined
      ? work()
      : this.#tracing.within(this.#span, work);
  }

  #failed(error: unknown): unknown {
    this.#end(outcomeOf(error));
    return error;
  }

  #end(outcome: string): void {
    const seconds = (performance.now() - this.#begun) / 1000;
    this.#instruments.registryTime.record(seconds, {
      operation: this.#operation,
      "registry.kind": this.#kind,
      outcome,
    });
    if (this.#span !== undefined) endSpan(this.#span, outcome === "ok" ? undefined : outcome);
  }
}

function outcomeOf(error: unknown): string {
  if (error instanceof PipekitError) return error.code;
  return error instanceof Error && error.name === "AbortError" ? "stopped" : "INTERNAL";
}
