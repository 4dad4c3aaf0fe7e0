/**
 * An HTTP server whose model is the one that a tag points to, and follows it:
 *
 *     node clients/typescript/examples/serving.ts production --port 8080 --registry s3://my-bucket/models/
 *     curl -d '{"x": [1, 2]}' localhost:8080/predict
 *     curl localhost:8080/health
 */
import { readFile } from "node:fs/promises";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { json } from "node:stream/consumers";
import { pathToFileURL } from "node:url";
import { parseArgs } from "node:util";
import { connect, type Registry } from "@pipekit/experiment";
import { type FollowEvent, FollowedModel } from "./followed-model.ts";

/** What answers; put your own model in its place. Its weights are JSON: `{"weights": [0.5, 2], "bias": 1}`. */
class LinearModel {
  readonly #weights: readonly number[];
  readonly #bias: number;

  constructor(text: string) {
    const { weights, bias } = JSON.parse(text);
    if (!Array.isArray(weights) || !Number.isFinite(bias)) throw new Error("These are no linear weights.");
    this.#weights = weights;
    this.#bias = bias;
  }

  predict(x: readonly number[]): number {
    return this.#weights.reduce((sum, weight, i) => sum + weight * (x[i] ?? 0), this.#bias);
  }
}

type Followed = FollowedModel<LinearModel>;

/** Serves what `tag` points to. Stop it by `stop`, which lets requests end. */
export async function serve(options: {
  readonly registry: Registry;
  readonly tag: string;
  readonly port: number;
  readonly told?: (event: FollowEvent) => void;
}): Promise<{ readonly url: string; stop(): Promise<void> }> {
  const { registry, tag, told } = options;
  const followed: Followed = new FollowedModel({
    registry,
    tag,
    ...(told && { told }),
    open: async ({ path }) => new LinearModel(await readFile(path, "utf8")),
  });
  const server = createServer((request, response) => {
    answer(followed, request, response).catch((error: unknown) => {
      send(response, 400, { error: String(error) });
    });
  });
  await new Promise<void>((listening) => server.listen(options.port, "127.0.0.1", listening));
  return { url: addressOf(server), stop: () => stop(server, followed) };
}

async function answer(followed: Followed, request: IncomingMessage, response: ServerResponse): Promise<void> {
  if (request.method === "POST" && request.url === "/predict") {
    const { x } = (await json(request)) as { x: number[] };
    const found = await followed.use((model, { hash }) => ({ y: model.predict(x), model: hash }));
    if (found === undefined) send(response, 503, { error: followed.problem || "No model is promoted yet." });
    else send(response, 200, found);
  } else if (request.method === "GET" && request.url === "/health") {
    const { move, problem } = followed;
    // A problem is no reason to be taken out of service: the last good model answers.
    send(response, move === undefined ? 503 : 200, { model: move?.hash, move: move?.seq, problem });
  } else {
    send(response, 404, { error: "POST /predict or GET /health." });
  }
}

function send(response: ServerResponse, status: number, body: unknown): void {
  response.writeHead(status, { "content-type": "application/json" }).end(`${JSON.stringify(body)}\n`);
}

async function stop(server: Server, followed: Followed): Promise<void> {
  const closed = new Promise((done) => server.close(done));
  server.closeIdleConnections();
  await closed;
  await followed.stop();
}

function addressOf(server: Server): string {
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("The server has no port.");
  return `http://127.0.0.1:${address.port}`;
}

async function main(): Promise<void> {
  const { values, positionals } = parseArgs({
    options: { port: { type: "string", default: "8080" }, registry: { type: "string", default: "" } },
    allowPositionals: true,
  });
  const tag = positionals[0] ?? "production";
  const client = await connect();
  const told = ({ kind, move, problem }: FollowEvent) =>
    console.log(kind, move === undefined ? "" : `move ${move.seq} ${move.hash.slice(0, 12)}`, problem);
  const server = await serve({
    registry: client.registry(values.registry),
    tag,
    port: Number(values.port),
    told,
  });
  console.log(`${server.url} serves ${tag}`);
  for (const signal of ["SIGINT", "SIGTERM"] as const) {
    process.once(signal, () => void server.stop().then(() => client.close()));
  }
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await main();
