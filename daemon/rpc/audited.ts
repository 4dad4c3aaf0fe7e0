/**
 * Which calls the audit log tells of. A method that nobody has looked at here is told of, with those fields of its request
 * that are known to hold no secrets.
 */
import type { Frame } from "@pipekit/proto";
import { type Subject, subjectOf } from "../audit/index.ts";

/** Methods that change nothing, or only a user's own run, model without a tag, or workspace. */
const QUIET = new Set([
  ...["StartRun", "Log", "AttachArtifact", "EndRun", "GetRun", "ListRuns", "WatchRuns", "ReadMetrics"],
  ...[
    "WatchMetrics",
    "SinkStatus",
    "ListDeadLetters",
    "Load",
    "Stat",
    "List",
    "ResolveTag",
    "TagHistory",
    "WatchTag",
  ],
  ...[
    "ListTags",
    "ListPins",
    "Verify",
    "Diff",
    "DescribeRegistry",
    "Hello",
    "Status",
    "ReadAudit",
    "VerifyAudit",
  ],
]);
const QUIET_SERVICE =
  /^\/(?:grpc\.(?:health|reflection)\.|pipekit\.experiment\.v1\.(?:Config|Dataset)Service\/)/;

/** `RegistryService/Tag` of `/pipekit.experiment.v1.RegistryService/Tag`. */
export function shortMethod(path: string): string {
  return path.slice(path.lastIndexOf(".") + 1);
}

/** Whether calls of a method may be told of at all. */
export function isAudited(path: string): boolean {
  return !QUIET_SERVICE.test(path) && !QUIET.has(path.slice(path.lastIndexOf("/") + 1));
}

/** What a request of such a method asks for; undefined when it changes nothing. */
export function askedOf(message: object): Subject | undefined {
  const request = "request" in message && isObject(message.request) ? message.request : message;
  const header = partOf(request, "header");
  if (header !== undefined) {
    return header["name"] && header["hashOnly"] !== true ? subjectOf(header) : undefined;
  }
  // Chunks of a store follow its header; other requests with a part are not known.
  if ("part" in request) return undefined;
  if ("apply" in request && request.apply !== true) return undefined;
  return subjectOf(request);
}

/** What an answer says became of it. */
export function becameOf(message: object): Subject {
  const answer = partOf(message, "stored") ?? (message as { readonly [name: string]: unknown });
  return subjectOf({ ...answer, ...(isObject(answer["move"]) ? answer["move"] : {}) });
}

/** What a frame says of a run's start or end. */
export function runOf(message: object): Subject | undefined {
  const { frame, end, runId } = message as { frame?: Frame; end?: object; runId?: string };
  if (end !== undefined) return { ...subjectOf({ runId }), what: "end" };
  if (frame === undefined) return undefined;
  for (const { record } of [frame.records[0], frame.records.at(-1)].filter(
    (record) => record !== undefined,
  )) {
    if (record?.$case === "start") {
      return { ...subjectOf({ runId: frame.runId, ...record.value }), what: record.$case };
    }
    if (record?.$case === "end" || record?.$case === "resume") {
      return { ...subjectOf({ runId: frame.runId }), what: record.$case };
    }
  }
  return undefined;
}

function partOf(message: object, name: string): { readonly [field: string]: unknown } | undefined {
  const part = "part" in message ? message.part : undefined;
  if (!isObject(part) || part["$case"] !== name || !isObject(part["value"])) return undefined;
  return part["value"];
}

function isObject(value: unknown): value is { readonly [name: string]: unknown } {
  return typeof value === "object" && value !== null;
}
