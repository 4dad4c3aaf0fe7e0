/** A daemon in this process, kept in memory: the wire contract and nothing else, with faults to order. */
import { createHash } from "node:crypto";
import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials, type ServerUnaryCall, type sendUnaryData } from "@grpc/grpc-js";
import {
  DaemonServiceService,
  eachPoint,
  type Frame,
  type HelloRequest,
  type LoadResponse,
  type LogResponse,
  type Model,
  PipekitError,
  RegistryServiceService,
  type Run,
  type RunEnd,
  RunState,
  type Sink,
  type StoreHeader,
  type TagMove,
  TrackerServiceService,
  type WatchTagResponse,
} from "@pipekit/proto";

/** A point as it came in. */
export interface FakePoint {
  readonly key: string;
  readonly step: number;
  readonly value: number;
}

interface FakeRun {
  run: Run;
  readonly points: FakePoint[];
}

interface FakeModel {
  readonly model: Model;
  readonly weights: Buffer;
}

type Answer<A> = sendUnaryData<A>;
type Watcher = { readonly name: string; readonly send: (message: WatchTagResponse) => void };

const WEIGHTS_CHUNK = 1024 * 1024;

/** Starts and stops a gRPC server at one socket; what it holds outlives a stop. */
export class FakeDaemon {
  readonly folder = mkdtempSync(join(tmpdir(), "pkx-fake-"));
  readonly socket = join(this.folder, "d.sock");
  readonly endpoint = `unix:${this.socket}`;
  readonly runs = new Map<string, FakeRun>();
  readonly models = new Map<string, FakeModel>();
  readonly moves = new Map<string, TagMove[]>();
  /** Frames taken, each (writer, seq) once. */
  readonly frames: Frame[] = [];
  /** Frames that came a second time. */
  replays = 0;
  /** Sinks shown for every run. */
  sinks: Sink[] = [];
  hello: (request: HelloRequest) => void = () => undefined;
  /** Changes chunks of weights on their way out. */
  tamper: (chunk: Buffer, offset: number) => Buffer | undefined = (chunk) => chunk;
  /** Runs before a frame of a Log stream is taken; may break the stream by throwing, or refuse by returning an error. */
  intake: (frame: Frame) => PipekitError | undefined = () => undefined;
  /** What becomes of a frame of a Log stream and of its acknowledgement. */
  fate: (frame: Frame) => "acknowledged" | "taken" | "lost" = () => "acknowledged";
  shutdowns: number[] = [];
  #server: Server | undefined;
  readonly #lastSeq = new Map<string, number>();
  readonly #watchers = new Set<Watcher>();

  async start(): Promise<this> {
    const server = new Server({ "grpc.max_receive_message_length": 16 * 1024 * 1024 });
    server.addService(DaemonServiceService, this.#daemonService());
    server.addService(TrackerServiceService, this.#trackerService());
    server.addService(RegistryServiceService, this.#registryService());
    await new Promise<void>((done, fail) => {
      server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error ? fail(error) : done(),
      );
    });
    this.#server = server;
    return this;
  }

  /** Breaks every connection, as a killed process would. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.#watchers.clear();
    rmSync(this.socket, { force: true });
  }

  remove(): void {
    this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  /** Moves a tag as another client would. */
  move(name: string, hash: string): TagMove {
    const moves = this.moves.get(name) ?? [];
    const previous = moves.at(-1);
    const move = {
      name,
      seq: (previous?.seq ?? 0) + 1,
      hash,
      previousHash: previous?.hash ?? "",
      actor: "somebody@else",
      atUs: 1_700_000_000_000_000 + moves.length * 1_000_000,
      reason: "",
    };
    moves.push(move);
    this.moves.set(name, moves);
    for (const watcher of this.#watchers) if (watcher.name === name) watcher.send({ move });
    return move;
  }

  /** Puts a model in, without the way through `store`. */
  addModel(weights: Buffer, header: Partial<StoreHeader> = {}): Model {
    const operatorJson = header.operatorJson ?? '{"module":"m","class":"C","config":{}}';
    const weightsSha256 = createHash("sha256").update(weights).digest("hex");
    const manifest = JSON.stringify([operatorJson, weightsSha256]);
    const model: Model = {
      hash: createHash("sha256").update(manifest).digest("hex"),
      manifest,
      operatorJson,
      metadataJson: header.metadataJson || "{}",
      weightsSha256,
      weightsSize: weights.length,
      hasWeights: header.hasWeights ?? true,
      weightsFormat: header.weightsFormat ?? "",
      runId: header.runId ?? "",
      createdAtUs: 1_700_000_000_000_000,
      tags: [],
      trainingConfigJson: header.trainingConfigJson ?? "",
      datasetHash: header.datasetHash ?? "",
      previewJson: header.previewJson ?? "",
    };
    this.models.set(model.hash, { model, weights });
    return model;
  }

  #daemonService() {
    return {
      hello: unary((request: HelloRequest) => {
        this.hello(request);
        return {
          protocol: 1,
          daemonVersion: "0.1.0",
          capabilities: [],
          stateFolder: this.folder,
          pid: process.pid,
          stagingFolder: join(this.folder, "staging"),
        };
      }),
      status: unary(() => ({
        daemonVersion: "0.1.0",
        pid: process.pid,
        startedAtUs: 1_700_000_000_000_000,
        stateFolder: this.folder,
        endpoint: this.endpoint,
        journalBytes: 4096,
        frames: this.frames.length,
        points: [...this.runs.values()].reduce((sum, run) => sum + run.points.length, 0),
        runsRunning: 0,
        runs: this.runs.size,
        pointsPending: 0,
        deadLetters: 0,
        rssBytes: 50 * 1024 * 1024,
        draining: false,
        idleExitS: 900,
        logFile: join(this.folder, "daemon.log"),
      })),
      shutdown: unary(({ waitForDeliveryS }: { waitForDeliveryS: number }) => {
        this.shutdowns.push(waitForDeliveryS);
        setTimeout(() => this.stop(), 20);
        return { pointsPending: 7 };
      }),
    };
  }

  #trackerService() {
    return {
      startRun: unary(({ frame }: { frame?: Frame | undefined }) => {
        if (frame === undefined) throw new PipekitError("INVALID_FRAME", "No frame.");
        this.#take(frame);
        return { run: this.#run(frame.runId).run };
      }),
      log: (call: FakeDuplex) => {
        call.on("data", ({ frame }) => {
          if (frame === undefined) return;
          const fate = this.fate(frame);
          if (fate === "lost") return;
          try {
            const rejection = this.intake(frame)?.toDetail();
            this.#take(frame, rejection !== undefined);
            if (fate === "taken") return;
            call.write({ writerId: frame.writerId, ackedSeq: frame.seq, rejection });
          } catch (error) {
            call.emit("error", error instanceof PipekitError ? error.toServiceError() : error);
          }
        });
        call.on("end", () => call.end());
      },
      attachArtifact: refuse,
      endRun: refuse,
      getRun: unary(({ runId }: { runId: string }) => ({ run: this.#run(runId).run })),
      listRuns: unary(
        (query: { pageSize: number; pageToken: string; state: RunState; nameContains: string }) => {
          const all = [...this.runs.values()]
            .map(({ run }) => ({ ...run, series: [], params: {}, artifacts: [] }))
            .filter((run) => query.state === RunState.RUN_STATE_UNSPECIFIED || run.state === query.state)
            .filter((run) => run.name.includes(query.nameContains))
            .sort((a, b) => (a.runId < b.runId ? 1 : -1));
          const from = query.pageToken === "" ? 0 : all.findIndex((run) => run.runId === query.pageToken) + 1;
          // Small pages, so that paging is seen.
          const runs = all.slice(from, from + 3);
          return { runs, nextPageToken: from + 3 < all.length ? (runs.at(-1)?.runId ?? "") : "" };
        },
      ),
      watchRuns: (call: FakeStream<{ run: Run }>) => {
        for (const { run } of this.runs.values()) call.write({ run });
      },
      readMetrics: serverStream(
        async function* (this: FakeDaemon, { runId, keys }: { runId: string; keys: string[] }) {
          const { points, run } = this.#run(runId);
          for (const { key } of run.series) {
            if (keys.length > 0 && !keys.includes(key)) continue;
            const own = points.filter((point) => point.key === key);
            // Two parts, so that joining is seen.
            const half = Math.ceil(own.length / 2);
            for (const part of [own.slice(0, half), own.slice(half)]) {
              if (part.length > 0) yield seriesMessage(key, part, own.length);
            }
          }
        }.bind(this),
      ),
      sinkStatus: unary(() => ({ sinks: this.sinks, deadLetters: [] })),
    };
  }

  #registryService() {
    return {
      store: (call: FakeUpload, answer: Answer<unknown>) => {
        let header: StoreHeader | undefined;
        const chunks: Buffer[] = [];
        call.on("data", ({ part }) => {
          if (part?.$case === "header") header = part.value;
          else if (part !== undefined) chunks.push(part.value);
        });
        call.on("end", () =>
          settle(answer, () => {
            if (header === undefined) throw new PipekitError("INVALID_ARGUMENT", "No header.");
            const weights =
              header.weightsPath === "" ? Buffer.concat(chunks) : readFileSync(header.weightsPath);
            const before = this.models.size;
            const model = this.addModel(weights, header);
            const move = header.name === "" ? undefined : this.#tag(header.name, model.hash, header.force);
            return { model, created: this.models.size > before, move };
          }),
        );
      },
      load: serverStream(
        async function* (
          this: FakeDaemon,
          request: { ref: string; byPath: boolean; offset: number },
        ): AsyncGenerator<LoadResponse> {
          const { model, weights } = this.#model(request.ref);
          const weightsPath = request.byPath ? join(this.folder, "weights.bin") : "";
          yield { part: { $case: "header", value: { model, weightsPath } } };
          if (request.byPath) return;
          for (let at = request.offset; at < weights.length; at += WEIGHTS_CHUNK) {
            const chunk = this.tamper(weights.subarray(at, at + WEIGHTS_CHUNK), at);
            if (chunk !== undefined) yield { part: { $case: "weightsChunk", value: chunk } };
          }
        }.bind(this),
      ),
      stat: unary(({ ref }: { ref: string }) => ({ model: this.#withTags(this.#model(ref).model) })),
      list: unary(() => ({
        models: [...this.models.values()].map(({ model }) => this.#withTags(model)),
        nextPageToken: "",
      })),
      tag: unary((request: { ref: string; name: string; force: boolean; expectedHash: string }) => {
        const current = this.moves.get(request.name)?.at(-1)?.hash ?? "";
        if (request.expectedHash !== "" && request.expectedHash !== current) {
          throw new PipekitError("TAG_CONFLICT", `The tag ${request.name} points elsewhere.`, {
            field: request.name,
          });
        }
        return { move: this.#tag(request.name, this.#model(request.ref).model.hash, request.force) };
      }),
      resolveTag: unary(({ ref }: { ref: string }) => ({
        hash: this.#model(ref).model.hash,
        move: this.moves.get(ref)?.at(-1),
      })),
      tagHistory: unary(({ name }: { name: string }) => {
        const moves = this.moves.get(name);
        if (moves === undefined) throw notFound(name);
        return { moves: moves.toReversed(), nextPageToken: "" };
      }),
      watchTag: (call: FakeStream<WatchTagResponse> & { request: { name: string; afterSeq: number } }) => {
        const { name, afterSeq } = call.request;
        const moves = this.moves.get(name) ?? [];
        const due = afterSeq === 0 ? moves.slice(-1) : moves.filter((move) => move.seq > afterSeq);
        for (const move of due) call.write({ move });
        const watcher = { name, send: (message: WatchTagResponse) => void call.write(message) };
        this.#watchers.add(watcher);
        call.on("cancelled", () => this.#watchers.delete(watcher));
      },
      verify: serverStream(
        async function* (this: FakeDaemon) {
          for (const { model, weights } of this.models.values()) {
            const sound = createHash("sha256").update(weights).digest("hex") === model.weightsSha256;
            const problems = sound ? [] : ["The weights do not have their digest."];
            yield { hash: model.hash, problems, bytesRead: weights.length, total: this.models.size };
          }
        }.bind(this),
      ),
    };
  }

  #take(frame: Frame, rejected = false): void {
    const last = this.#lastSeq.get(frame.writerId) ?? 0;
    if (frame.seq <= last) {
      this.replays += 1;
      return;
    }
    if (frame.seq !== last + 1)
      throw new PipekitError("INVALID_FRAME", `A gap after seq ${last}.`, { field: "seq" });
    this.#lastSeq.set(frame.writerId, frame.seq);
    if (rejected) return;
    this.frames.push(frame);
    for (const { record } of frame.records) {
      if (record?.$case === "start")
        this.runs.set(frame.runId, newRun(frame.runId, record.value, this.sinks));
      const known = this.#run(frame.runId);
      if (record?.$case === "metrics") {
        eachPoint(record.value, (key, step, value) => known.points.push({ key, step, value }));
        summarize(known);
      }
      if (record?.$case === "params") Object.assign(known.run.params, flat(record.value.paramsJson));
      if (record?.$case === "tags") Object.assign(known.run.tags, record.value.tags);
      if (record?.$case === "artifact") known.run.artifacts.push(record.value);
      if (record?.$case === "end") end(known.run, record.value);
    }
  }

  #run(id: string): FakeRun {
    const found = [...this.runs.values()].find(({ run }) => run.runId.startsWith(id));
    if (found !== undefined) return found;
    throw new PipekitError("RUN_NOT_FOUND", `No run has the id ${id}.`, {
      field: id,
      mend: "See `pkx runs list`.",
    });
  }

  #model(ref: string): FakeModel {
    const hash = this.moves.get(ref)?.at(-1)?.hash ?? ref;
    const found = [...this.models.values()].find(({ model }) => model.hash.startsWith(hash));
    if (found !== undefined) return found;
    throw notFound(ref);
  }

  #withTags(model: Model): Model {
    const tags = [...this.moves]
      .filter(([, moves]) => moves.at(-1)?.hash === model.hash)
      .map(([name]) => name);
    return { ...model, tags: tags.sort() };
  }

  #tag(name: string, hash: string, force: boolean): TagMove {
    const last = this.moves.get(name)?.at(-1);
    if (last?.hash === hash) return last;
    if (last !== undefined && !force) {
      const mend = "Give --force to move it.";
      throw new PipekitError("TAG_EXISTS", `The tag ${name} points elsewhere.`, { field: name, mend });
    }
    return this.move(name, hash);
  }
}

interface FakeStream<A> {
  write(message: A): boolean;
  end(): void;
  on(event: string, listener: () => void): unknown;
  emit(event: "error", error: unknown): boolean;
}

interface FakeDuplex extends FakeStream<LogResponse> {
  on(event: "data", listener: (message: { frame?: Frame }) => void): unknown;
  on(event: string, listener: () => void): unknown;
}

interface FakeUpload {
  on(event: "data", listener: (message: { part?: StorePart }) => void): unknown;
  on(event: "end", listener: () => void): unknown;
}

type StorePart = { $case: "header"; value: StoreHeader } | { $case: "weightsChunk"; value: Buffer };

function unary<Q, A>(handle: (request: Q) => A) {
  return (call: ServerUnaryCall<Q, A>, answer: Answer<A>) => settle(answer, () => handle(call.request));
}

function settle<A>(answer: Answer<A>, make: () => A): void {
  try {
    answer(null, make());
  } catch (error) {
    answer(error instanceof PipekitError ? error.toServiceError() : (error as Error));
  }
}

function serverStream<Q, A>(handle: (request: Q) => AsyncGenerator<A>) {
  return async (call: FakeStream<A> & { request: Q }) => {
    try {
      for await (const message of handle(call.request)) call.write(message);
      call.end();
    } catch (error) {
      call.emit("error", error instanceof PipekitError ? error.toServiceError() : error);
    }
  };
}

function refuse(_call: unknown, answer: Answer<never>): void {
  answer(new PipekitError("INTERNAL", "The fake has no such call.").toServiceError());
}

function notFound(ref: string): PipekitError {
  return new PipekitError("REF_NOT_FOUND", `Nothing answers to ${ref}.`, {
    field: ref,
    mend: "See `pkx models list`.",
  });
}

function newRun(
  runId: string,
  start: {
    name: string;
    configJson: string;
    startedAtUs: number;
    host: string;
    pid: number;
    client: string;
    tags: { [name: string]: string };
    pipelineHash: string;
  },
  sinks: Sink[],
): FakeRun {
  const { name, configJson, startedAtUs, host, pid, client, tags, pipelineHash } = start;
  return {
    points: [],
    run: {
      runId,
      name,
      pipelineHash,
      configJson,
      state: RunState.RUN_STATE_RUNNING,
      reason: "",
      startedAtUs,
      endedAtUs: 0,
      host,
      pid,
      client,
      tags: { ...tags },
      params: {},
      points: 0,
      series: [],
      artifacts: [],
      sinks,
    },
  };
}

function end(run: Run, { state, reason, endedAtUs }: RunEnd): void {
  Object.assign(run, { state, reason, endedAtUs });
}

function summarize({ run, points }: FakeRun): void {
  run.points = points.length;
  const keys = [...new Set(points.map((point) => point.key))].sort();
  run.series = keys.map((key) => {
    const own = points.filter((point) => point.key === key);
    const sane = own.map((point) => point.value).filter((value) => !Number.isNaN(value));
    const last = own.at(-1);
    return {
      key,
      points: own.length,
      lastStep: last?.step ?? 0,
      lastValue: last?.value ?? Number.NaN,
      minValue: sane.length === 0 ? Number.NaN : Math.min(...sane),
      maxValue: sane.length === 0 ? Number.NaN : Math.max(...sane),
    };
  });
}

function seriesMessage(key: string, points: readonly FakePoint[], pointsInRange: number) {
  const column = <T extends Float64Array | BigInt64Array>(array: T) => Buffer.from(array.buffer);
  return {
    key,
    steps: column(BigInt64Array.from(points, (point) => BigInt(point.step))),
    values: column(Float64Array.from(points, (point) => point.value)),
    timesUs: column(BigInt64Array.from(points, () => 1_700_000_000_000_000n)),
    pointsInRange,
  };
}

function flat(json: string): { [name: string]: string } {
  return Object.fromEntries(
    Object.entries(JSON.parse(json)).map(([name, value]) => [name, JSON.stringify(value)]),
  );
}
