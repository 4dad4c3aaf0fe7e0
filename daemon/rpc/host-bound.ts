/**
 * What a caller from another host may not ask: whatever names files, folders, secrets or environment variables of the
 * daemon's host, to be read or written there.
 *
 * Architecture Invariant: a method that nobody has looked at here is refused over TCP.
 */
import { existsSync } from "node:fs";
import { homedir } from "node:os";
import { join } from "node:path";
import { ServerInterceptingCall, type ServerInterceptor, type ServiceDefinition } from "@grpc/grpc-js";
import {
  ConfigServiceService,
  DaemonServiceService,
  type Frame,
  PipekitError,
  RegistryServiceService,
  type StoreHeader,
  TrackerServiceService,
} from "@pipekit/proto";
import { statusOf } from "./calls.ts";

/** Kinds of specs that name a server. */
const SERVER_SPEC = /^(?:mlflow|wandb|clearml)(?:\+https?)?:|^s3:/i;
/** A value of a spec's query that names a secret of the host. */
const REFERENCE = /^(?:file|env):/i;
/** Where adapters find credentials for a server that a spec names without any: it would get them, whosever it is. */
const UNNAMED: readonly {
  readonly of: RegExp;
  readonly variables: readonly string[];
  readonly files: readonly string[];
}[] = [
  {
    of: /^mlflow/i,
    variables: ["MLFLOW_TRACKING_TOKEN", "MLFLOW_TRACKING_USERNAME", "MLFLOW_TRACKING_PASSWORD"],
    files: [".mlflow/credentials"],
  },
  // The public server's key goes to that server.
  { of: /^wandb\+/i, variables: ["WANDB_API_KEY"], files: [] },
  { of: /^clearml\+/i, variables: ["CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY"], files: [] },
  // What is for the host's own API server goes along to the files server that the spec names beside it.
  {
    of: /^clearml:.*[?&]files=/is,
    variables: ["CLEARML_API_ACCESS_KEY", "CLEARML_API_SECRET_KEY", "CLEARML_CONFIG_FILE"],
    files: ["clearml.conf"],
  },
];
const STANDARD = /^\/grpc\.(?:health|reflection)\./;

const looks = new Map<string, (request: unknown) => void>();

/** A method of a generated service. */
interface Method<Q> {
  readonly path: string;
  readonly requestDeserialize: (bytes: Buffer) => Q;
}

function look<Q>(method: Method<Q>, at: (request: Q) => void): void {
  looks.set(method.path, at as (request: unknown) => void);
}

function allow(service: ServiceDefinition, ...methods: string[]): void {
  for (const name of methods) {
    const method = service[name];
    if (method !== undefined) look(method, () => {});
  }
}

const tracker = TrackerServiceService;
look(tracker.startRun, ({ frame }) => checkFrame(frame));
look(tracker.log, ({ frame }) => checkFrame(frame));
look(tracker.attachArtifact, ({ artifact }) => refuseText("artifact.path", artifact?.path));
look(tracker.sync, ({ stateFolder, sinks }) => {
  refuseText("state_folder", stateFolder);
  checkSpecs("sinks", sinks);
});
look(tracker.importRuns, ({ source, sinks }) => {
  // A source is a folder unless it is a server's.
  checkSpec("source", source);
  checkSpecs("sinks", sinks);
});
allow(tracker, "endRun", "getRun", "listRuns", "watchRuns", "readMetrics", "watchMetrics", "sinkStatus");
allow(tracker, "listDeadLetters", "redriveDeadLetters");
allow(DaemonServiceService, "hello", "status", "shutdown", "prune", "readAudit", "verifyAudit");
allow(ConfigServiceService, "parseConfig");
look(DaemonServiceService.handOver, () => {
  throw refused("version", "A daemon is renewed on its own host.");
});
look(DaemonServiceService.backup, () => {
  throw refused("path", "A backup is made on the daemon's own host.");
});

const registry = RegistryServiceService;
look(registry.store, ({ part }) => checkHeader(part?.$case === "header" ? part.value : undefined));
look(registry.storeWithProgress, ({ request }) =>
  checkHeader(request?.part?.$case === "header" ? request.part.value : undefined),
);
look(registry.load, ({ registry, byPath }) => {
  checkRegistry("registry", registry);
  if (byPath) throw refused("by_path", "Load the weights as a stream.");
});
look(registry.copy, ({ registry, target }) => {
  checkRegistry("registry", registry);
  checkRegistry("target", target);
});
for (const method of [
  ...[
    registry.stat,
    registry.list,
    registry.tag,
    registry.resolveTag,
    registry.tagHistory,
    registry.watchTag,
  ],
  ...[registry.rollbackTag, registry.deleteTag, registry.listTags, registry.pin, registry.unpin],
  ...[registry.listPins, registry.gc, registry.verify, registry.diff, registry.describeRegistry],
]) {
  look<{ readonly registry: string }>(method, ({ registry }) => checkRegistry("registry", registry));
}

/** What a method that is never answered over TCP works on. */
const BOUND_FIELDS: { readonly [service: string]: string } = {
  "/pipekit.experiment.v1.DatasetService/": "repo",
  "/pipekit.experiment.v1.ConfigService/": "folder",
  "/pipekit.experiment.v1.RegistryService/": "path",
};

/** Throws INVALID_ARGUMENT, which names the field, for what only a caller on the daemon's host may ask. */
export function checkFromAfar(methodPath: string, request: unknown): void {
  if (STANDARD.test(methodPath)) return;
  const at = looks.get(methodPath);
  if (at !== undefined) {
    at(request);
    return;
  }
  const service = methodPath.slice(0, methodPath.lastIndexOf("/") + 1);
  throw refused(BOUND_FIELDS[service] ?? "", "Call it on the daemon's host, by its socket.");
}

/** Ends calls that ask for what is bound to the host; each message of a stream is looked at. */
export const hostBoundInterceptor: ServerInterceptor = (method, call) => {
  let over = false;
  return new ServerInterceptingCall(call, {
    start: (next) => {
      next({
        onReceiveMessage: (message, pass) => {
          if (over) return;
          try {
            checkFromAfar(method.path, message);
          } catch (error) {
            if (!(error instanceof PipekitError)) throw error;
            over = true;
            call.sendStatus(statusOf(error));
            return;
          }
          pass(message);
        },
        onReceiveHalfClose: (pass) => over || pass(),
      });
    },
  });
};

function checkFrame(frame: Frame | undefined): void {
  frame?.records.forEach(({ record }, i) => {
    if (record?.$case === "artifact") refuseText(`frame.records[${i}].artifact.path`, record.value.path);
    if (record?.$case === "start") checkSpecs(`frame.records[${i}].start.sinks`, record.value.sinks);
  });
}

function checkHeader(header: StoreHeader | undefined): void {
  if (header === undefined) return;
  checkRegistry("header.registry", header.registry);
  refuseText("header.weights_path", header.weightsPath);
}

function checkRegistry(field: string, spec: string): void {
  if (spec !== "") checkSpec(field, spec);
}

function checkSpecs(field: string, specs: readonly string[]): void {
  specs.forEach((spec, i) => {
    checkSpec(`${field}[${i}]`, spec);
  });
}

function checkSpec(field: string, spec: string): void {
  const text = spec.trim();
  const query = new URLSearchParams(text.slice(text.indexOf("?") + 1));
  const named = text.includes("?") && [...query.values()].some((value) => REFERENCE.test(value.trim()));
  if (SERVER_SPEC.test(text) && !named && !takesUnnamed(`${text.split("?", 1)[0]}?${query}`)) return;
  throw refused(
    field,
    "Name a server for which the daemon has no secrets, or a tracker of the daemon's own config, which may have them.",
  );
}

/** Whether the daemon would send what it has for servers of this kind to the one of the spec. */
function takesUnnamed(spec: string): boolean {
  const home = process.env["HOME"] ?? homedir();
  return UNNAMED.some(
    ({ of, variables, files }) =>
      of.test(spec) &&
      (variables.some((name) => process.env[name]) || files.some((file) => existsSync(join(home, file)))),
  );
}

function refuseText(field: string, text: string | undefined): void {
  if (text) throw refused(field, "Send the content itself, name it by URI, or call on the daemon's host.");
}

function refused(field: string, mend: string): PipekitError {
  const what = "What the daemon's host has, or keeps secret, is not for callers over TCP.";
  return new PipekitError("INVALID_ARGUMENT", what, { field, mend });
}
