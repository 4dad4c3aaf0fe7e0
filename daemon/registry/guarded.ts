/** A backend whose failures are those that clients know. */
import {
  BackendRefused,
  BackendUnavailable,
  ObjectTooLarge,
  type RegistryBackend,
} from "@pipekit/adapters/registry";
import { PipekitError } from "@pipekit/proto";
import { Damage } from "./metadata.ts";

/** What a backend's failure is called; other errors pass as they are. */
export function asRegistryFailure(error: unknown): unknown {
  if (error instanceof ObjectTooLarge) return tooLarge(error);
  if (!(error instanceof BackendRefused || error instanceof BackendUnavailable)) return error;
  const code = error instanceof BackendRefused ? "REGISTRY_REFUSED" : "REGISTRY_UNAVAILABLE";
  return new PipekitError(code, error.message, { field: "registry", mend: error.mend, cause: error });
}

/** A small file of more than 16 MiB is none that a registry has written. */
function tooLarge(error: ObjectTooLarge): Damage {
  const file = error.key.slice(error.key.lastIndexOf("/") + 1);
  return new Damage(`${file} has more than 16 MiB.`, { cause: error });
}

/**
 * The same backend; BackendRefused and BackendUnavailable are thrown as REGISTRY_REFUSED and REGISTRY_UNAVAILABLE,
 * ObjectTooLarge as Damage.
 */
export function guarded(backend: RegistryBackend): RegistryBackend {
  return translatedMembers(backend);
}

function translatedMembers<T extends object>(object: T): T {
  return new Proxy(object, {
    get(target, name) {
      const member: unknown = Reflect.get(target, name, target);
      if (typeof member !== "function") return member;
      return (...given: unknown[]) => translated(() => Reflect.apply(member, target, given));
    },
  });
}

function translated(call: () => unknown): unknown {
  let answer: unknown;
  try {
    answer = call();
  } catch (error) {
    throw asRegistryFailure(error);
  }
  if (answer instanceof Promise) {
    return answer.then(guardedBlob, (error: unknown) => {
      throw asRegistryFailure(error);
    });
  }
  return isAsyncIterable(answer) ? translatedEach(answer) : answer;
}

/** What `receive` answers has calls to the backend of its own. */
function guardedBlob(answer: unknown): unknown {
  const isBlob = typeof answer === "object" && answer !== null && "publish" in answer;
  return isBlob ? translatedMembers(answer) : answer;
}

async function* translatedEach(items: AsyncIterable<unknown>): AsyncGenerator<unknown> {
  try {
    yield* items;
  } catch (error) {
    throw asRegistryFailure(error);
  }
}

function isAsyncIterable(value: unknown): value is AsyncIterable<unknown> {
  return typeof value === "object" && value !== null && Symbol.asyncIterator in value;
}
