import { chmodSync, lstatSync, rmSync } from "node:fs";
import { connect } from "node:net";
import { credentials, Metadata } from "@grpc/grpc-js";
import { DaemonServiceClient, PipekitError, PROTOCOL_MAX } from "@pipekit/proto";

/** Options of a channel that must look at what is there now. */
const FRESH_CHANNEL = { "grpc.use_local_subchannel_pool": 1, "grpc.enable_http_proxy": 0 };

/**
 * What is at a socket path: nothing, a socket that nobody listens on, a daemon of ours with its pid (0 when it did
 * not tell), or something else.
 */
export type Answerer =
  | { readonly kind: "nothing" }
  | { readonly kind: "dead" }
  | { readonly kind: "daemon"; readonly pid: number }
  | { readonly kind: "stranger"; readonly fault: string };

/** Looks at what answers at a socket path. Waits at most `timeoutMs`. */
export async function whoAnswers(path: string, timeoutMs: number): Promise<Answerer> {
  const stat = lstatSync(path, { throwIfNoEntry: false });
  if (stat === undefined) return { kind: "nothing" };
  if (!stat.isSocket()) return { kind: "stranger", fault: "is not a socket" };
  const failure = await connectFailure(path, timeoutMs);
  if (failure === "ENOENT") return { kind: "nothing" };
  if (failure === "ECONNREFUSED") return { kind: "dead" };
  if (failure !== undefined) return { kind: "stranger", fault: `cannot be reached (${failure})` };
  return hello(path, timeoutMs);
}

function connectFailure(path: string, timeoutMs: number): Promise<string | undefined> {
  return new Promise((done) => {
    const socket = connect(path);
    const finish = (code: string | undefined) => {
      socket.destroy();
      done(code);
    };
    socket.setTimeout(timeoutMs, () => finish("ETIMEDOUT"));
    socket.once("connect", () => finish(undefined));
    socket.once("error", (error: NodeJS.ErrnoException) => finish(error.code ?? "unknown error"));
  });
}

function hello(path: string, timeoutMs: number): Promise<Answerer> {
  const client = new DaemonServiceClient(`unix:${path}`, credentials.createInsecure(), FRESH_CHANNEL);
  const request = { client: "pkx-serve", protocolMin: 0, protocolMax: PROTOCOL_MAX };
  return new Promise<Answerer>((done) => {
    client.hello(request, new Metadata(), { deadline: Date.now() + timeoutMs }, (error, answer) => {
      if (error === null) return done({ kind: "daemon", pid: answer.pid });
      // A daemon of another protocol is a daemon all the same.
      const spoken = PipekitError.fromServiceError(error).code === "PROTOCOL_MISMATCH";
      done(
        spoken ? { kind: "daemon", pid: 0 } : { kind: "stranger", fault: "does not answer as a daemon does" },
      );
    });
  }).finally(() => client.close());
}

/** Identity of a bound socket, so that nobody else's is ever removed. */
export interface SocketIdentity {
  readonly path: string;
  readonly inode: bigint;
  readonly device: bigint;
}

/** Removes the socket of a daemon that died. The caller holds the state folder's lock and has looked who answers. */
export function removeDeadSocket(path: string): void {
  rmSync(path, { force: true });
}

/**
 * Closes a socket just bound to everybody but this user, and checks it.
 * Throws PipekitError UNSAFE_FOLDER when it is not what was bound.
 */
export function sealSocket(path: string): SocketIdentity {
  chmodSync(path, 0o600);
  const stat = lstatSync(path, { bigint: true });
  const uid = BigInt(process.getuid?.() ?? 0);
  if (!stat.isSocket() || stat.uid !== uid || (stat.mode & 0o777n) !== 0o600n) {
    throw new PipekitError("UNSAFE_FOLDER", `The socket ${path} is not private to this user.`, {
      field: path,
      mend: "Put the runtime folder on a local file system: set PKX_RUNTIME_DIR.",
    });
  }
  return { path, inode: stat.ino, device: stat.dev };
}

/** Whether the path still leads to the socket that was bound. */
export function isOurs(socket: SocketIdentity): boolean {
  const stat = lstatSync(socket.path, { bigint: true, throwIfNoEntry: false });
  return stat !== undefined && stat.ino === socket.inode && stat.dev === socket.device;
}
