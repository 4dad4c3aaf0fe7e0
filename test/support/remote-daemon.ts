/** A real daemon that is reached over TCP, with a certificate authority of its own. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { type StartOptions, startDaemon, type TestDaemon } from "./daemon.ts";
import { freePort } from "./free-port.ts";
import { toolPath } from "./tools.ts";

/** Certificates, keys and a token; see certificates.py for their names. */
export interface Proofs {
  readonly folder: string;
  readonly token: string;
  readonly tokenFile: string;
  readonly caFile: string;
  file(name: string): string;
  remove(): void;
}

export function makeProofs(): Proofs {
  const folder = mkdtempSync(join(tmpdir(), "pkx-tls-"));
  execFileSync(toolPath("python"), [resolve(import.meta.dirname, "certificates.py"), folder]);
  const token = randomBytes(24).toString("hex");
  const file = (name: string) => join(folder, name);
  writeFileSync(file("token"), `${token}\n`, { mode: 0o600 });
  return {
    folder,
    token,
    tokenFile: file("token"),
    caFile: file("ca.pem"),
    file,
    remove: () => rmSync(folder, { recursive: true, force: true }),
  };
}

export interface RemoteDaemon extends TestDaemon {
  readonly port: number;
  /** `https://127.0.0.1:PORT`. */
  readonly url: string;
}

/** Starts a daemon that listens on loopback with the certificate of this name. */
export async function startRemoteDaemon(
  proofs: Proofs,
  options: StartOptions & { readonly certificate?: string; readonly port?: number } = {},
): Promise<RemoteDaemon> {
  const { certificate = "good", port = await freePort() } = options;
  const args = [
    ...["--listen", `127.0.0.1:${port}`, "--token-file", proofs.tokenFile],
    ...["--tls-cert", proofs.file(`${certificate}.pem`), "--tls-key", proofs.file(`${certificate}.key`)],
    ...(options.args ?? []),
  ];
  const daemon = await startDaemon({ ...options, args });
  return { ...daemon, port, url: `https://127.0.0.1:${port}` };
}
