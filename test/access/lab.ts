/** A daemon of a lab with several principals, reached over TCP. */
import { renameSync, writeFileSync } from "node:fs";
import { type Client, type ConnectOptions, connect } from "@pipekit/experiment";
import { PipekitError } from "@pipekit/proto";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { makeProofs, type Proofs } from "../support/remote-daemon.ts";

export const PRINCIPALS = ["reader", "trainer", "colleague", "promoter", "admin"] as const;
export type PrincipalName = (typeof PRINCIPALS)[number];

/** Roles of the lab's principals; the trainer has a certificate, too. */
const ROLES: Readonly<Record<PrincipalName, string>> = {
  reader: "{role: reader, runs: [lab-*], tags: [lab-*], registries: [default]}",
  trainer: "{role: writer, runs: [lab-*], tags: [lab-*], registries: [default]}",
  colleague: "{role: writer, runs: [lab-*, own-*], tags: [own-*], registries: ['s3://*']}",
  promoter: "{role: promoter, runs: [lab-*], tags: [lab-*, production], registries: [default]}",
  admin: "{role: admin}",
};

export class Lab {
  readonly proofs: Proofs;
  readonly port: number;
  daemon: TestDaemon;
  readonly #args: readonly string[];

  private constructor(proofs: Proofs, port: number, args: readonly string[], daemon: TestDaemon) {
    this.proofs = proofs;
    this.port = port;
    this.#args = args;
    this.daemon = daemon;
  }

  static async open(more: (proofs: Proofs) => readonly string[] = () => []): Promise<Lab> {
    const proofs = makeProofs();
    for (const name of PRINCIPALS) writeToken(proofs, name, `token-of-${name}-0123456789`);
    writePrincipals(proofs);
    for (const part of ["pem", "key"]) {
      replace(proofs.file(`server.${part}`), await readText(proofs.file(`good.${part}`)));
    }
    const port = await freePort();
    const args = [
      ...["--listen", `127.0.0.1:${port}`, "--principals-file", proofs.file("principals.yaml")],
      ...["--tls-cert", proofs.file("server.pem"), "--tls-key", proofs.file("server.key")],
      ...more(proofs),
    ];
    return new Lab(proofs, port, args, await startDaemon({ args }));
  }

  async restart(): Promise<void> {
    this.daemon = await startDaemon({ args: this.#args, home: this.daemon.home });
  }

  env(name: PrincipalName): Record<string, string> {
    return {
      PKX_ENDPOINT: `https://127.0.0.1:${this.port}`,
      PKX_TOKEN_FILE: this.proofs.file(`token-${name}`),
      PKX_CA_FILE: this.proofs.caFile,
    };
  }

  connect(name: PrincipalName, options: ConnectOptions = {}): Promise<Client> {
    return connect({ env: this.env(name), ...options });
  }

  async close(): Promise<void> {
    await this.daemon.stop();
    this.proofs.remove();
  }
}

async function readText(path: string): Promise<string> {
  const { readFile } = await import("node:fs/promises");
  return readFile(path, "utf8");
}

/** Replaces a file as careful people do: a reader sees the old one or the new one. */
export function replace(path: string, text: string): void {
  writeFileSync(`${path}.new`, text, { mode: 0o600 });
  renameSync(`${path}.new`, path);
}

export function writeToken(proofs: Proofs, name: PrincipalName, ...tokens: string[]): void {
  replace(proofs.file(`token-${name}`), `${tokens[0]}\n`);
}

/** Writes the principals file, without some of them, or with other roles. */
export function writePrincipals(
  proofs: Proofs,
  without: readonly PrincipalName[] = [],
  roles: Partial<typeof ROLES> = {},
): void {
  const lines = PRINCIPALS.filter((name) => !without.includes(name)).flatMap((name) => [
    `  - name: ${name}`,
    `    token: file:${proofs.file(`token-${name}`)}`,
    ...(name === "trainer" ? ["    certificate: uri:spiffe://lab/trainer"] : []),
    `    roles: [${roles[name] ?? ROLES[name]}]`,
  ]);
  replace(proofs.file("principals.yaml"), ["principals:", ...lines, ""].join("\n"));
}

/** The failure of a call. */
export async function failureOf(call: Promise<unknown>): Promise<PipekitError> {
  const error = await call.then(
    () => "it was permitted",
    (e: unknown) => e,
  );
  if (!(error instanceof PipekitError)) throw new Error(`no failure: ${String(error)}`);
  return error;
}

export async function drained<T>(items: AsyncIterable<T>): Promise<T[]> {
  return Array.fromAsync(items);
}
