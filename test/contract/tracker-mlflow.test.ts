import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, relative } from "node:path";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { answer, type SeenRequest, startFakeHttp } from "../support/fake-http.ts";
import { runsOf, shownRun } from "../support/mlflow-client.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { httpFault, type ToolAnswers } from "./http-faults.ts";
import { describeTrackerContract } from "./tracker-contract.ts";
import { HTTP_FAULTS, NO_CONTEXT } from "./tracker-harness.ts";

const EXPERIMENT = "contract";
const PATHS = {
  create: /runs\/create/,
  write: /runs\/(log-batch|update|set-tag)/,
  read: /metrics\/get-history/,
  upload: /mlflow-artifacts\/artifacts/,
};

interface LogBatch {
  readonly run_id: string;
  readonly metrics?: readonly { key: string; step: number; value: number; timestamp: number }[];
  readonly params?: readonly object[];
  readonly tags?: readonly object[];
}

const toolAnswers = (foreignUrl: string): ToolAnswers => ({
  error: (status) => ({
    error_code: status === 401 ? "UNAUTHENTICATED" : "INTERNAL_ERROR",
    message: `no: ${status}`,
  }),
  refusal: answer(400, { error_code: "INVALID_PARAMETER_VALUE", message: "This is not for me." }),
  half: (body, { path }) => {
    if (!path.includes("log-batch")) return body;
    const { metrics = [], params = [], tags = [], ...rest } = JSON.parse(body) as LogBatch;
    const first = <T>(all: readonly T[]) => all.slice(0, Math.floor(all.length / 2));
    return JSON.stringify({ ...rest, metrics: first(metrics), params: first(params), tags: first(tags) });
  },
  foreignUrl,
});

describeTrackerContract("mlflow", async () => {
  const server = await startMlflowServer();
  const [network, foreign] = await Promise.all([startFakeHttp(server.url), startFakeHttp()]);
  const tool = toolAnswers(foreign.url);
  const folder = mkdtempSync(join(tmpdir(), "pkx-credentials-"));
  const tokenFile = join(folder, "token");
  const tokens = ["first-secret-token"];
  const renew = () => writeFileSync(tokenFile, `${tokens.at(-1)}\n`, { mode: 0o600 });
  renew();
  const spec = mlflowTracker.parse(`mlflow://${network.host}/${EXPERIMENT}?token=file:${tokenFile}`);

  const unlimited = () => {
    network.remember = true;
    network.script(({ headers }) =>
      headers.authorization === `Bearer ${tokens.at(-1)}`
        ? undefined
        : answer(401, "You are not authenticated"),
    );
  };
  unlimited();
  return {
    kind: mlflowTracker,
    spec,
    connect: () => mlflowTracker.connect(spec, NO_CONTEXT),
    faults: HTTP_FAULTS,
    failNext: (what, fault) => network.inject(httpFault(fault, tool), PATHS[what]),
    failNextUpload: (fault) => network.inject(httpFault(fault, tool), PATHS.upload),
    failNextRead: (fault) => network.inject(httpFault(fault, tool), PATHS.read),
    heal: () => {
      unlimited();
      renew();
    },
    limitBody: (bytes) =>
      network.script(({ path, body }) =>
        PATHS.write.test(path) && Buffer.byteLength(body) > bytes ? answer(413, "too large") : undefined,
      ),
    swallow: (delayMs) => {
      network.remember = false;
      network.script(({ path }) =>
        path.includes("log-batch") ? { ...answer(200, {}), afterMs: delayMs } : undefined,
      );
    },
    expireCredentials: () => {
      tokens.push(`secret-token-${tokens.length}`);
      unlimited();
    },
    renewCredentials: renew,
    secrets: () => tokens,
    foreign: () => foreign.seen,
    // MLflow takes no time before 1970.
    refused: { kind: "point", key: "loss", step: 7, value: 1, timeUs: -5_000_000 },
    shownNonFinite: asStored,
    show: async (runId) => {
      const runs = await runsOf(server.url, EXPERIMENT, runId);
      return await Promise.all(runs.map((run) => shownRun(server.url, run)));
    },
    arrivals: async (runId) => {
      const [run] = await runsOf(server.url, EXPERIMENT, runId);
      return arrivalsOf(network.seen, run?.info.run_id ?? "");
    },
    artifacts: async (runId) => {
      const [run] = await runsOf(server.url, EXPERIMENT, runId);
      if (run === undefined) throw new Error("No such run.");
      const root = join(
        server.folder,
        "artifacts",
        run.info.artifact_uri.replace(/^mlflow-artifacts:\/+/, ""),
      );
      const files = readdirSync(root, { recursive: true, withFileTypes: true }).filter((entry) =>
        entry.isFile(),
      );
      const texts = files.map(({ parentPath, name }) => {
        const path = join(parentPath, name);
        return [relative(root, path), readFileSync(path, "utf8")] as const;
      });
      const addresses = (run.data.tags ?? []).flatMap(({ key, value }) =>
        key.startsWith("pipekit.artifact.") ? [[key.slice("pipekit.artifact.".length), value] as const] : [],
      );
      return Object.fromEntries([...texts, ...addresses]);
    },
    close: async () => {
      await Promise.all([network.close(), foreign.close()]);
      await server.stop();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

/** A SQL store keeps an infinity as the largest double. */
function asStored(value: number): number {
  return Number.isFinite(value) || Number.isNaN(value) ? value : Math.sign(value) * Number.MAX_VALUE;
}

/** Points that the server has taken, in the order in which they came. */
function arrivalsOf(seen: readonly SeenRequest[], mlflowRunId: string) {
  return seen.flatMap(({ path, carriedOut }) => {
    if (!path.includes("log-batch") || carriedOut?.status !== 200) return [];
    // Before it is parsed: there are thousands, of all tests.
    if (!carriedOut.body.includes(mlflowRunId)) return [];
    const { metrics = [] } = JSON.parse(carriedOut.body) as LogBatch;
    return metrics.map(({ key, step, value }) => ({ key, step, value: asStored(Number(value)) }));
  });
}
