/** `pkx health`: what probes run, every few seconds and beside training; so it loads next to nothing. */
import { parseArgs } from "node:util";
import { Client, type ServiceError, status } from "@grpc/grpc-js";
import { namedEndpoint, socketEndpoint } from "@pipekit/experiment/endpoint";
import { type Env, runtimeFolder, socketPath, stateFolder } from "@pipekit/experiment/folders";

const HELP = `Usage: pkx health [options]

Asks the daemon by the health protocol of gRPC (grpc.health.v1) whether it serves. Starts none. For probes.

Options:
  --state-dir DIR     state folder of the daemon (default: $PKX_STATE_DIR, then the user's)
  --timeout-s SECONDS how long to wait for the answer (default: 3)
  --help              this text

Exit codes: 0 it serves; 1 it answers, and does not serve (it stops); 2 wrong command line; 5 no daemon answers.

Examples:
  pkx health
  PKX_ENDPOINT=https://host:7443 pkx health
`;

const OPTIONS = {
  "state-dir": { type: "string" },
  "timeout-s": { type: "string", default: "3" },
  help: { type: "boolean", default: false },
} as const;

const EXIT = { serving: 0, notServing: 1, usage: 2, unavailable: 5 };

/** HealthCheckRequest without a name: the daemon as a whole. */
const CHECK = "/grpc.health.v1.Health/Check";
/** HealthCheckResponse with status SERVING: field 1, a varint, 1. */
const SERVING = Buffer.from([0x08, 0x01]);

/** Asks once; the arguments are those after the word. Resolves with the exit code. Never rejects. */
export async function health(args: readonly string[], env: Env = process.env): Promise<number> {
  let values: ReturnType<typeof readOptions>;
  try {
    values = readOptions(args);
  } catch (error) {
    process.stderr.write(`pkx health: ${error instanceof Error ? error.message : error}\n\n${HELP}`);
    return EXIT.usage;
  }
  if (values.help) {
    process.stdout.write(HELP);
    return EXIT.serving;
  }
  try {
    const serves = await ask(values["state-dir"], values.timeoutMs, env);
    process.stdout.write(serves ? "serving\n" : "not serving\n");
    return serves ? EXIT.serving : EXIT.notServing;
  } catch (error) {
    process.stderr.write(`pkx health: ${error instanceof Error ? error.message : error}\n`);
    return EXIT.unavailable;
  }
}

function readOptions(args: readonly string[]) {
  const { values } = parseArgs({ args: [...args], options: OPTIONS });
  const seconds = Number(values["timeout-s"]);
  if (!(seconds > 0)) throw new Error("--timeout-s is not a number of seconds.");
  return { ...values, timeoutMs: seconds * 1000 };
}

async function ask(state: string | undefined, timeoutMs: number, env: Env): Promise<boolean> {
  const named = state === undefined ? env["PKX_ENDPOINT"] : undefined;
  const endpoint =
    named === undefined
      ? socketEndpoint(socketPath(runtimeFolder(env), state ?? stateFolder(env)))
      : namedEndpoint(named, {}, env);
  const client = new Client(endpoint.target, endpoint.credentials(), {
    ...endpoint.options,
    // An answer is wanted now, and from the daemon itself.
    "grpc.enable_http_proxy": 0,
  });
  try {
    const answer = await new Promise<Buffer>((done, fail) => {
      client.makeUnaryRequest(
        CHECK,
        (request: Buffer) => request,
        (response) => response,
        Buffer.alloc(0),
        { deadline: Date.now() + timeoutMs },
        (error, response) =>
          error === null ? done(response ?? Buffer.alloc(0)) : fail(whyNot(error, endpoint.name)),
      );
    });
    return answer.equals(SERVING);
  } finally {
    client.close();
  }
}

function whyNot(error: ServiceError, name: string): Error {
  const why =
    error.code === status.DEADLINE_EXCEEDED
      ? "it does not answer in time"
      : error.details.split(" Resolution note")[0];
  return new Error(`no daemon answers at ${name}: ${why}`);
}
