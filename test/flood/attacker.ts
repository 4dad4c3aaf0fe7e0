/**
 * A hostile peer, in a process of its own: `node attacker.ts ATTACK PORT CONNECTIONS`. Connections that are closed are
 * made anew after 50 ms. Prints `closed` at the first of them, and a line of JSON with what it got done when its standard input ends.
 */
import { connect as connectTcp, type Socket } from "node:net";
import { connect as connectTls } from "node:tls";
import { callTo, FLAG, frame, PREFACE, TYPE } from "./frames.ts";

const [attack = "", port = "", connections = "1"] = process.argv.slice(2);
/** Of attacks of a principal that is known. */
const token = process.env["PKX_ATTACK_TOKEN"] ?? "x".repeat(48);
const STATUS = "/pipekit.experiment.v1.DaemonService/Status";
/** An empty message. */
const EMPTY = Buffer.alloc(5);
const LOG = "/pipekit.experiment.v1.TrackerService/Log";
const CHUNK = frame(TYPE.data, FLAG.none, 1, Buffer.alloc(16_384, 1));
const done = { opened: 0, closed: 0, bytes: 0 };
let over = false;

/** What is sent on a connection with TLS, again and again; the first piece once. */
const ATTACKS: { readonly [name: string]: () => { readonly first: Buffer; readonly again?: () => Buffer } } =
  {
    handshake: () => ({ first: Buffer.alloc(0) }),
    silent: () => ({ first: Buffer.concat([PREFACE, frame(TYPE.settings, FLAG.none, 0)]) }),
    "slow-headers": () => ({ first: start(frame(TYPE.headers, FLAG.none, 1, callTo(LOG).subarray(0, 20))) }),
    // 64 MiB are announced, and sent without heed of the window.
    bodies: () => ({
      first: start(frame(TYPE.headers, FLAG.endHeaders, 1, callTo(LOG))),
      again: () => CHUNK,
    }),
    streams: () => ({
      first: start(),
      again: counting((id) => frame(TYPE.headers, FLAG.endHeaders, id, callTo(LOG))),
    }),
    "rapid-reset": () => ({
      first: start(),
      again: counting((id) =>
        Buffer.concat([
          frame(TYPE.headers, FLAG.endHeaders, id, callTo(LOG)),
          frame(TYPE.reset, FLAG.none, id, Buffer.of(0, 0, 0, 8)),
        ]),
      ),
    }),
    pings: () => ({ first: start(), again: () => frame(TYPE.ping, FLAG.none, 0, Buffer.alloc(8)) }),
    settings: () => ({ first: start(), again: () => frame(TYPE.settings, FLAG.none, 0) }),
    continuation: () => ({
      first: start(frame(TYPE.headers, FLAG.none, 1, callTo(LOG))),
      again: () =>
        frame(
          TYPE.continuation,
          FLAG.none,
          1,
          Buffer.concat([Buffer.of(0), literal("x-a"), literal("y".repeat(100))]),
        ),
    }),
    "wrong-token": () => ({
      first: start(),
      again: counting((id) =>
        frame(
          TYPE.headers,
          FLAG.endHeaders | FLAG.endStream,
          id,
          callTo(LOG, { authorization: `Bearer ${"x".repeat(48)}` }),
        ),
      ),
    }),
    // With a token that is right: as many calls as go, whose answers are read, and such whose answers are not.
    calls: () => ({ first: start(), again: counting(status) }),
    "deaf-calls": () => ({ first: start(), again: counting(status) }),
    "deaf-pings": () => ({ first: start(), again: () => frame(TYPE.ping, FLAG.none, 0, Buffer.alloc(8)) }),
    "unknown-method": () => ({
      first: start(),
      again: counting((id) =>
        frame(TYPE.headers, FLAG.endHeaders | FLAG.endStream, id, callTo("/no.Such/Method")),
      ),
    }),
    garbage: () => ({ first: Buffer.alloc(64, 0xff), again: () => Buffer.alloc(16_384, 0xff) }),
  };

function start(...more: Buffer[]): Buffer {
  return Buffer.concat([PREFACE, frame(TYPE.settings, FLAG.none, 0), ...more]);
}

function status(id: number): Buffer {
  const fields = callTo(STATUS, { authorization: `Bearer ${token}` });
  return Buffer.concat([
    frame(TYPE.headers, FLAG.endHeaders, id, fields),
    frame(TYPE.data, FLAG.endStream, id, EMPTY),
  ]);
}

function counting(make: (id: number) => Buffer): () => Buffer {
  let id = 1;
  return () => {
    const made = make(id);
    id += 2;
    return made;
  };
}

function literal(text: string): Buffer {
  return Buffer.concat([Buffer.of(text.length), Buffer.from(text)]);
}

function open(): void {
  if (over) return;
  const raw = attack === "tcp" || attack === "half-hello";
  const socket: Socket = raw
    ? connectTcp({ host: "127.0.0.1", port: Number(port) })
    : connectTls({ host: "127.0.0.1", port: Number(port), rejectUnauthorized: false, ALPNProtocols: ["h2"] });
  socket.on("error", () => undefined);
  if (attack.startsWith("deaf")) socket.pause();
  else socket.resume();
  socket.on("close", () => {
    if (done.closed++ === 0) process.stdout.write("closed\n");
    done.bytes += socket.bytesWritten;
    setTimeout(open, attack === "reconnect" ? 0 : 50);
  });
  socket.on(raw ? "connect" : "secureConnect", () => {
    done.opened++;
    // The head of a ClientHello of 512 bytes.
    if (attack === "half-hello") socket.write(Buffer.from([22, 3, 1, 2, 0, 1]));
    if (attack === "reconnect") socket.destroy();
    else if (!raw) send(socket);
  });
}

function send(socket: Socket): void {
  const { first, again } = ATTACKS[attack]?.() ?? { first: Buffer.alloc(0) };
  socket.write(first);
  if (again === undefined) return;
  const pour = () => {
    if (over || socket.destroyed) return;
    const pieces: Buffer[] = [];
    for (let bytes = 0; bytes < 16_384; ) {
      const piece = again();
      pieces.push(piece);
      bytes += piece.length;
    }
    if (socket.write(Buffer.concat(pieces))) setImmediate(pour);
    else socket.once("drain", () => setImmediate(pour));
  };
  pour();
}

for (let i = 0; i < Number(connections); i++) open();
process.stdin.resume().on("end", () => {
  over = true;
  process.stdout.write(`${JSON.stringify(done)}\n`, () => process.exit(0));
});
