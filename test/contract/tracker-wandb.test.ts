import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { answer, type Fault, type SeenRequest, startFakeHttp } from "../support/fake-http.ts";
import {
  FAKE_KEY,
  type FakeWandb,
  type FakeWandbRun,
  shownRows,
  startFakeWandb,
} from "../support/fake-wandb.ts";
import { httpFault, type ToolAnswers } from "./http-faults.ts";
import { describeTrackerContract, type ShownRun } from "./tracker-contract.ts";
import { HTTP_FAULTS, NO_CONTEXT } from "./tracker-harness.ts";

/** All GraphQL goes to one path: what a request is, its body says. */
const REQUESTS = {
  create: ({ body }: SeenRequest) => body.includes("mutation UpsertBucket"),
  read: ({ body }: SeenRequest) => body.includes("query RunHistoryKeys"),
};
const WRITE = /file_stream/;
const UPLOAD = /\/store\//;

interface StreamBody {
  readonly files?: Readonly<Record<string, { offset: number; content: readonly string[] }>>;
}

const toolAnswers = (foreignUrl: string): ToolAnswers => ({
  error: (status) => (status === 503 ? { error: "later" } : { errors: [{ message: `no: ${status}` }] }),
  refusal: answer(400, { error: "This is not for me." }),
  half: (body) => {
    const { files = {}, ...rest } = JSON.parse(body) as StreamBody;
    const halves = Object.entries(files).map(([name, { offset, content }]) => {
      return [name, { offset, content: content.slice(0, Math.ceil(content.length / 2)) }];
    });
    return JSON.stringify({ files: Object.fromEntries(halves), ...rest });
  },
  foreignUrl,
});

describeTrackerContract("wandb", async () => {
  const server = await startFakeWandb();
  const [network, foreign] = await Promise.all([startFakeHttp(server.url), startFakeHttp()]);
  server.storeUrl = network.url;
  const tool = toolAnswers(foreign.url);
  const folder = mkdtempSync(join(tmpdir(), "pkx-credentials-"));
  const keyFile = join(folder, "key");
  const keys = [FAKE_KEY];
  const renew = () => writeFileSync(keyFile, `${keys.at(-1)}\n`, { mode: 0o600 });
  renew();
  const spec = wandbTracker.parse(`wandb+http://${network.host}/team/contract?key=file:${keyFile}`);

  /** Faults that are not known by their path, one for the next request that fits each. */
  let waiting: { fits: (request: SeenRequest) => boolean; fault: Fault }[] = [];
  const calm = () => {
    network.remember = true;
    waiting = [];
    network.script((request) => {
      const next = waiting.find(({ fits }) => fits(request));
      waiting = waiting.filter((one) => one !== next);
      return next?.fault;
    });
  };
  calm();
  /** This one cuts a request before its body has told what it is. */
  const isEarly = (fault: Fault) => fault.kind === "resetRequest";
  return {
    kind: wandbTracker,
    spec,
    connect: () => wandbTracker.connect(spec, NO_CONTEXT),
    faults: HTTP_FAULTS,
    failNext: (what, name) => {
      const fault = httpFault(name, tool);
      if (what === "write") network.inject(fault, WRITE);
      else if (isEarly(fault)) network.inject(fault, /graphql/);
      else waiting.push({ fits: REQUESTS.create, fault });
    },
    failNextUpload: (fault) => network.inject(httpFault(fault, tool), UPLOAD),
    failNextRead: (name) => {
      const fault = httpFault(name, tool);
      if (isEarly(fault)) network.inject(fault, /graphql/);
      else waiting.push({ fits: REQUESTS.read, fault });
    },
    heal: () => {
      calm();
      renew();
    },
    limitBody: (bytes) =>
      network.script(({ body }) =>
        Buffer.byteLength(body) > bytes ? answer(413, { error: "too large" }) : undefined,
      ),
    swallow: (delayMs) => {
      network.remember = false;
      network.script(({ path }) => (WRITE.test(path) ? { ...answer(200, {}), afterMs: delayMs } : undefined));
    },
    expireCredentials: () => {
      keys.push(FAKE_KEY.replaceAll("0", String(keys.length)));
      server.setKey(keys.at(-1) ?? "");
    },
    renewCredentials: renew,
    secrets: () => keys.flatMap((key) => [key, Buffer.from(`api:${key}`).toString("base64")]),
    foreign: () => foreign.seen,
    // No such file any more.
    refused: {
      kind: "artifact",
      name: "model",
      uri: "",
      files: [{ path: "", localPath: "/nonexistent/model.bin", size: 1, sha256: "0".repeat(64) }],
    },
    ordered: true,
    show: async (runId) => server.runsOf(runId).map(shownRun),
    artifacts: async (runId) => artifactsOf(server, runId),
    close: async () => {
      await Promise.all([network.close(), foreign.close()]);
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});

function shownRun(run: FakeWandbRun): ShownRun {
  const points = shownRows(run).flatMap((row) =>
    Object.entries(row)
      .filter(([key]) => !key.startsWith("_") && key !== "pipekit/step")
      .map(([key, value]) => ({
        key,
        step: Number(row["pipekit/step"]),
        value: Number(value),
        timeMs: Math.floor(Math.round(Number(row["_timestamp"]) * 1e6) / 1000),
      })),
  );
  const params = Object.entries(run.config)
    .filter(([key]) => key !== "_wandb" && key !== "pipekit")
    .map(([key, { value }]) => [key, typeof value === "string" ? value : JSON.stringify(value)]);
  const tags = run.tags.map((tag) => tag.split("=", 2));
  const ended = run.exitCode === 255 ? "killed" : run.state === "finished" ? "completed" : run.state;
  const state = run.state === "running" ? "running" : ended;
  return { points, params: Object.fromEntries(params), tags: Object.fromEntries(tags), state };
}

/** Files by artifact and path; what has no path but its artifact's name stands under that. */
function artifactsOf(server: FakeWandb, runId: string): Record<string, string> {
  const names = new Set(server.runsOf(runId).map(({ name }) => name));
  const entries = server.artifacts
    .filter(({ state, runs }) => state === "COMMITTED" && [...runs].some((run) => names.has(run)))
    .flatMap(({ name, files, manifest }) => {
      const { contents } = JSON.parse(manifest ?? "{}") as {
        contents: Record<string, { ref?: string; digest: string }>;
      };
      return Object.entries(contents).map(([path, { ref, digest }]) => {
        const text = ref ?? (files.get(path) ?? server.content(digest))?.toString() ?? "";
        return [path === name ? name : `${name}/${path}`, text] as const;
      });
    });
  return Object.fromEntries(entries);
}
