import {
  ConfigFault,
  type ConfigNodeInfo,
  type ConfigReader,
  type ConfigProblem as Problem,
} from "@pipekit/adapters/config";
import {
  type ConfigNode,
  ConfigNodeKind,
  type ConfigProblem,
  type ConfigServiceServer,
  MAX_MESSAGE_BYTES,
  ParseConfigResponse,
  PipekitError,
  ReadHydraRunResponse,
} from "@pipekit/proto";
import type { Logger } from "pino";
import { typedFaults, unary } from "./calls.ts";

/** What ConfigService stands on. */
export interface ConfigServiceOptions {
  readonly reader: ConfigReader;
  readonly log: Logger;
}

/** ConfigService: what stands in composed configs. */
export function configService({ reader, log }: ConfigServiceOptions): ConfigServiceServer {
  return {
    parseConfig: unary(log, async ({ text, env, hydraJson }, signal) => {
      const parsed = await told(() => reader.parse({ text, env, hydraJson }, signal));
      const answer = {
        resolvedJson: parsed.resolvedJson,
        nodes: parsed.nodes.map(nodeOf),
        problems: parsed.problems.map(problemOf),
      };
      checkSize(ParseConfigResponse.encode(answer).finish(), "text");
      return answer;
    }),
    readHydraRun: unary(log, async ({ folder, env }, signal) => {
      const run = await told(() => reader.readRun({ folder, env }, signal));
      const { configJson, overrides, jobName, configName, version, problems } = run;
      const answer = {
        configJson,
        overrides: [...overrides],
        jobName,
        configName,
        hydraVersion: version,
        problems: problems.map(problemOf),
      };
      checkSize(ReadHydraRunResponse.encode(answer).finish(), "folder");
      return answer;
    }),
  };
}

const CODES = {
  argument: "INVALID_ARGUMENT",
  config: "INVALID_CONFIG",
  unreadable: "ARTIFACT_UNREADABLE",
} as const;

function told<T>(call: () => Promise<T>): Promise<T> {
  return typedFaults(ConfigFault, CODES, call);
}

/** gRPC would refuse a larger answer without saying why. */
function checkSize(encoded: Uint8Array, field: string): void {
  if (encoded.byteLength <= MAX_MESSAGE_BYTES) return;
  throw new PipekitError("INVALID_ARGUMENT", "What the config resolves to is larger than 16 MiB.", {
    field,
    mend: "Make the config smaller.",
  });
}

const KINDS = {
  mapping: ConfigNodeKind.CONFIG_NODE_KIND_MAPPING,
  sequence: ConfigNodeKind.CONFIG_NODE_KIND_SEQUENCE,
  scalar: ConfigNodeKind.CONFIG_NODE_KIND_SCALAR,
  interpolation: ConfigNodeKind.CONFIG_NODE_KIND_INTERPOLATION,
  missing: ConfigNodeKind.CONFIG_NODE_KIND_MISSING,
} as const;

function nodeOf({ path, kind, key, value, resolvedJson, target }: ConfigNodeInfo): ConfigNode {
  return { path, kind: KINDS[kind], key, value, resolvedJson, target };
}

function problemOf({ code, path, message, mend, range, isError }: Problem): ConfigProblem {
  return { code, path, message, mend, range, isError };
}
