/**
 * A W&B server that keeps what it is told: the part of its interface that its own client and our adapter speak. It is
 * stricter than the real one where that finds mistakes: a line beyond the end of a file is refused.
 */

import { createHash } from "node:crypto";
import { createServer, type IncomingMessage, type ServerResponse } from "node:http";
import type { AddressInfo } from "node:net";
import { gunzipSync } from "node:zlib";
import { type ArtifactCall, FakeArtifacts, type StoredArtifact } from "./fake-wandb-artifacts.ts";
import { schemaOf } from "./fake-wandb-schema.ts";

/** A run that the server keeps. */
export interface FakeWandbRun {
  readonly storageId: string;
  readonly entity: string;
  readonly project: string;
  readonly name: string;
  displayName: string;
  notes: string;
  group: string;
  jobType: string;
  host: string;
  tags: readonly string[];
  /** As it was given last: `{key: {value}}`. */
  config: Readonly<Record<string, { readonly value: unknown }>>;
  /** Lines of each file of the stream, as given. */
  readonly lines: Record<string, string[]>;
  /** Files put to their addresses. */
  readonly files: Map<string, Buffer>;
  readonly uploaded: Set<string>;
  state: "running" | "finished" | "failed";
  exitCode: number | undefined;
  heartbeats: number;
  /** Lines that came to a place where there was one. */
  rewritten: number;
}

/** A call as it came. */
export interface SeenCall {
  readonly name: string;
  readonly body: Readonly<Record<string, unknown>>;
}

export interface FakeWandb {
  readonly url: string;
  readonly host: string;
  /** Address that clients are told to put files to, without a path: this server, or a way to it. */
  storeUrl: string;
  /** GraphQL operations with their variables, and `file_stream` with its bodies. */
  readonly calls: readonly SeenCall[];
  readonly runs: ReadonlyMap<string, FakeWandbRun>;
  readonly artifacts: readonly StoredArtifact[];
  /** Runs that carry our run id. */
  runsOf(runId: string): FakeWandbRun[];
  /** What was put under a base64 MD5. */
  content(md5: string): Buffer | undefined;
  /** Changes the only key that is accepted. */
  setKey(key: string): void;
  /** Adds to what file_stream answers. */
  tellStreams(more: Readonly<Record<string, unknown>>): void;
  close(): Promise<void>;
}

export const FAKE_KEY = "0123456789abcdef0123456789abcdef01234567";
export const DEFAULT_ENTITY = "default-entity";

type Json = Readonly<Record<string, unknown>>;
interface Reply {
  readonly status: number;
  readonly body: unknown;
}

/** The rows of the history that the server shows: a `_step` that does not rise is dropped. */
export function shownRows(run: FakeWandbRun): Record<string, unknown>[] {
  let last = -1;
  return (run.lines["wandb-history.jsonl"] ?? []).map(parseLine).filter((row) => {
    const step = Number(row["_step"]);
    if (!(step > last)) return false;
    last = step;
    return true;
  });
}

/** A line of JSON with bare NaN and Infinity. */
export function parseLine(line: string): Record<string, unknown> {
  const marked = line.replace(/"(?:[^"\\]|\\.)*"|-?Infinity|NaN/g, (token) =>
    token.startsWith('"') ? token : `"\\u0000${token}"`,
  );
  return JSON.parse(marked, (_, value: unknown) =>
    typeof value === "string" && value.startsWith("\0") ? Number(value.slice(1)) : value,
  );
}

/** Starts it on a free loopback port. */
export async function startFakeWandb(): Promise<FakeWandb> {
  const calls: SeenCall[] = [];
  const runs = new Map<string, FakeWandbRun>();
  let key = FAKE_KEY;
  let streamExtra: Json = {};
  const artifacts = new FakeArtifacts(() => server.storeUrl);

  const find = (entity: unknown, project: unknown, name: unknown) =>
    runs.get(`${entity || DEFAULT_ENTITY}/${project}/${name}`);

  const graphql = (name: string, variables: Json): unknown => {
    switch (name) {
      case "ServerFeaturesQuery":
        return { serverInfo: { features: [] } };
      case "Viewer":
        return { viewer: viewer() };
      case "RunResumeStatus": {
        const run = find(variables["entity"], variables["project"], variables["name"]);
        return { model: run === undefined ? null : { ...project(run), bucket: bucket(run) } };
      }
      case "UpsertBucket":
        return upsert(runs, variables);
      case "OrganizationCoreWeaveOrganizationID":
        return { entity: { organization: { coreWeaveOrganizationId: null } } };
      case "RunStoppedStatus":
        return { project: { run: { stopped: false } } };
      case "RunHistoryKeys": {
        const run = find(variables["entity"], variables["project"], variables["name"]);
        return { project: run === undefined ? null : { run: { historyKeys: historyKeys(run) } } };
      }
      case "RunFullHistory": {
        const run = find(variables["entity"], variables["project"], variables["name"]);
        const events = (run?.lines["wandb-events.jsonl"] ?? []).slice(0, Number(variables["samples"]));
        return { project: { run: { events } } };
      }
      case "CreateRunFiles": {
        const run = find(variables["entity"], variables["project"], variables["run"]);
        const names = variables["files"] as readonly string[];
        const place = (file: string) =>
          `${server.storeUrl}/store/run/${run?.storageId}/${encodeURIComponent(file)}`;
        const files = names.map((file) => ({ name: file, uploadUrl: place(file) }));
        return { createRunFiles: { runID: run?.storageId, uploadHeaders: [], files } };
      }
      default:
        return schemaOf(name) ?? artifacts.answer(name, variables as ArtifactCall);
    }
  };

  const fileStream = (path: string, body: Json): Reply => {
    const [, entity, projectName, name] = path.split("/").slice(1).map(decodeURIComponent);
    const run = find(entity, projectName, name);
    if (run === undefined) return { status: 404, body: { error: "run not found" } };
    return streamed(run, body, streamExtra);
  };

  const handle = async (request: IncomingMessage, response: ServerResponse) => {
    const bytes = await readBody(request);
    const path = (request.url ?? "").split("?")[0] ?? "";
    const reply = (status: number, body: unknown) =>
      response.writeHead(status, { "content-type": "application/json" }).end(JSON.stringify(body));
    if (path.startsWith("/store/")) {
      if (request.method !== "PUT") return reply(405, {});
      const [kind = "", id = "", file = ""] = path.slice("/store/".length).split("/").map(decodeURIComponent);
      const run = [...runs.values()].find(({ storageId }) => storageId === id);
      if (kind === "run" && run !== undefined) run.files.set(file, bytes);
      else if (!artifacts.put(id, bytes, request.headers)) return reply(400, { error: "digest" });
      return reply(200, {});
    }
    if (request.headers.authorization !== `Basic ${Buffer.from(`api:${key}`).toString("base64")}`) {
      return reply(401, { errors: [{ message: "user is not logged in" }] });
    }
    const body = bytes.length === 0 ? {} : (JSON.parse(bytes.toString("utf8")) as Json);
    if (path === "/graphql") {
      const name = /\b(?:query|mutation)\s+(\w+)/.exec(String(body["query"]))?.[1] ?? "";
      calls.push({ name, body: (body["variables"] as Json | undefined) ?? {} });
      const data = graphql(name, (body["variables"] as Json | undefined) ?? {});
      if (data instanceof Error) return reply(400, { errors: [{ message: data.message }], data: null });
      return reply(200, { data });
    }
    if (path.endsWith("/file_stream")) {
      calls.push({ name: "file_stream", body });
      const { status, body: answer } = fileStream(path, body);
      return reply(status, answer);
    }
    return reply(404, { error: `no such path ${path}` });
  };

  const listener = createServer((request, response) => {
    handle(request, response).catch((error: Error) => response.writeHead(500).end(error.message));
  });
  await new Promise<void>((resolve) => listener.listen(0, "127.0.0.1", resolve));
  const host = `127.0.0.1:${(listener.address() as AddressInfo).port}`;
  const url = `http://${host}`;
  const server: FakeWandb = {
    url,
    host,
    storeUrl: url,
    calls,
    runs,
    artifacts: artifacts.stored,
    runsOf: (runId) =>
      [...runs.values()].filter(({ config }) => {
        const own = config["pipekit"]?.value as { run_id?: string } | undefined;
        return own?.run_id === runId;
      }),
    content: (md5) => artifacts.content.get(md5),
    setKey: (next) => {
      key = next;
    },
    tellStreams: (more) => {
      streamExtra = more;
    },
    close: async () => {
      listener.closeAllConnections();
      await new Promise((resolve) => listener.close(resolve));
    },
  };
  return server;
}

/** Data of the mutation; an Error for what it refuses. */
function upsert(runs: Map<string, FakeWandbRun>, variables: Json): unknown {
  const text = (name: string) => (typeof variables[name] === "string" ? variables[name] : undefined);
  const entity = text("entity") || DEFAULT_ENTITY;
  if (entity === "nobody") return new Error("entity nobody not found during upsertBucket");
  const name = text("name") ?? createHash("md5").update(String(runs.size)).digest("hex").slice(0, 8);
  const path = `${entity}/${text("project") ?? "uncategorized"}/${name}`;
  const known = runs.get(path);
  const run = known ?? newRun(entity, text("project") ?? "uncategorized", name);
  if (known === undefined) runs.set(path, run);
  run.displayName = text("displayName") ?? run.displayName;
  run.notes = text("notes") ?? run.notes;
  run.group = text("groupName") ?? run.group;
  run.jobType = text("jobType") ?? run.jobType;
  run.host = text("host") ?? run.host;
  if (Array.isArray(variables["tags"])) run.tags = variables["tags"] as string[];
  const config = text("config");
  if (config !== undefined) run.config = withoutDescriptions(parseLine(config) as FakeWandbRun["config"]);
  return { upsertBucket: { bucket: bucket(run), inserted: known === undefined } };
}

/** Old clients (0.16) send an empty description with each value. */
function withoutDescriptions(config: FakeWandbRun["config"]): FakeWandbRun["config"] {
  return Object.fromEntries(Object.entries(config).map(([key, { value }]) => [key, { value }]));
}

function newRun(entity: string, projectName: string, name: string): FakeWandbRun {
  const storageId = Buffer.from(`Run:v1:${name}:${projectName}:${entity}`).toString("base64url");
  return {
    ...{ storageId, entity, project: projectName, name, displayName: name },
    ...{ notes: "", group: "", jobType: "", host: "", tags: [], config: {} },
    ...{ lines: {}, files: new Map(), uploaded: new Set() },
    ...{ state: "running", exitCode: undefined, heartbeats: 0, rewritten: 0 },
  };
}

/** Carries out a request of the stream. Nothing of it is kept when a line would leave a gap. */
function streamed(run: FakeWandbRun, body: Json, extra: Json): Reply {
  const files = (body["files"] ?? {}) as Record<string, { offset: number; content: string[] }>;
  for (const [name, { offset }] of Object.entries(files)) {
    const length = run.lines[name]?.length ?? 0;
    if (offset > length) {
      return { status: 400, body: { error: `${name}: line ${offset} of a file of ${length} lines` } };
    }
  }
  for (const [name, { offset, content }] of Object.entries(files)) {
    const lines = run.lines[name] ?? [];
    run.lines[name] = lines;
    for (const [index, line] of content.entries()) {
      if (lines[offset + index] !== undefined) run.rewritten++;
      lines[offset + index] = line;
    }
  }
  for (const name of (body["uploaded"] ?? []) as string[]) run.uploaded.add(name);
  if (Object.keys(body).length === 0) run.heartbeats++;
  run.state = "running";
  if (body["complete"] === true) {
    run.exitCode = Number(body["exitcode"]);
    run.state = run.exitCode === 0 ? "finished" : "failed";
  }
  return { status: 200, body: { exitcode: null, limits: {}, ...extra } };
}

function viewer(): unknown {
  const names = { entity: DEFAULT_ENTITY, username: "somebody", email: "somebody@example.com" };
  return { id: "VXNlcjox", ...names, flags: "{}", teams: { edges: [] } };
}

function project(run: FakeWandbRun) {
  return { id: "UHJvamVjdDox", name: run.project, entity: { id: "RW50aXR5OjE=", name: run.entity } };
}

function bucket(run: FakeWandbRun): unknown {
  const count = (file: string) => run.lines[file]?.length ?? 0;
  const { value: own } = run.config["_wandb"] ?? { value: undefined };
  return {
    id: run.storageId,
    name: run.name,
    displayName: run.displayName,
    description: null,
    config: JSON.stringify(run.config),
    sweepName: null,
    project: project(run),
    historyLineCount: count("wandb-history.jsonl"),
    eventsLineCount: count("wandb-events.jsonl"),
    logLineCount: count("output.log"),
    historyTail: JSON.stringify((run.lines["wandb-history.jsonl"] ?? []).slice(-1)),
    eventsTail: JSON.stringify((run.lines["wandb-events.jsonl"] ?? []).slice(-1)),
    summaryMetrics: run.lines["wandb-summary.json"]?.at(-1) ?? "{}",
    tags: run.tags,
    notes: run.notes,
    wandbConfig: JSON.stringify(own === undefined ? {} : { t: (own as Json)["t"] }),
  };
}

function historyKeys(run: FakeWandbRun): unknown {
  const rows = shownRows(run);
  const counts = new Map<string, number>();
  for (const key of rows.flatMap((row) => Object.keys(row))) {
    if (!key.startsWith("_")) counts.set(key, (counts.get(key) ?? 0) + 1);
  }
  const keys = Array.from(counts, ([key, count]) => [key, { typeCounts: [{ type: "number", count }] }]);
  return { sets: [], keys: Object.fromEntries(keys), lastStep: rows.at(-1)?.["_step"] ?? -1 };
}

async function readBody(message: IncomingMessage): Promise<Buffer> {
  const chunks: Buffer[] = [];
  for await (const chunk of message as AsyncIterable<Buffer>) chunks.push(chunk);
  const body = Buffer.concat(chunks);
  return message.headers["content-encoding"] === "gzip" ? gunzipSync(body) : body;
}
