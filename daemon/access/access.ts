/**
 * Who may call over TCP, and by what they prove it: principals and certificates, read anew when their files change.
 */
import type { Logger } from "pino";
import { Live } from "./live.ts";
import { type PrincipalEntry, Principals, type Proof, type Unproven } from "./principals.ts";
import { readPrincipals } from "./principals-file.ts";
import { type Grant, grantOf, type RoleText } from "./roles.ts";
import { readTokenFile } from "./secret-file.ts";
import { readTls, type TlsFiles, type TlsPaths } from "./tls-files.ts";

/** Where access is settled. Paths are absolute. */
export interface AccessPaths {
  /** One principal, `token`, an admin; does not count beside a principals file. */
  readonly tokenFile: string | undefined;
  readonly principalsFile: string | undefined;
  readonly tls: TlsPaths;
}

export interface AccessOptions {
  readonly paths: AccessPaths;
  readonly env: Readonly<{ [name: string]: string | undefined }>;
}

/** What has changed. */
export type Change = "principals" | "certificate" | "client CA";

/** How often the files are looked at, milliseconds. */
const INTERVAL_MS = 1000;
/** Of the unix socket's user, and of everybody in a daemon that does not listen on TCP. */
export const ADMIN: readonly RoleText[] = [{ role: "admin" }];
const ADMIN_GRANTS: readonly Grant[] = ADMIN.map(grantOf);
/** The principals of the unix socket, which is the user's own: `socket:USER`. */
const OF_SOCKET = /^socket:/;

export class Access {
  readonly #principals: Live<Principals>;
  readonly #tls: Live<TlsFiles>;
  readonly #listeners = new Set<(change: Change) => void>();
  #log: Pick<Logger, "info" | "warn"> | undefined;
  #timer: NodeJS.Timeout | undefined;

  private constructor(principals: Live<Principals>, tls: Live<TlsFiles>) {
    this.#principals = principals;
    this.#tls = tls;
  }

  /** Throws INVALID_DAEMON_CONFIG. */
  static async open({ paths, env }: AccessOptions): Promise<Access> {
    const { principalsFile, tokenFile } = paths;
    const principals = await Live.open((seen) =>
      principalsFile === undefined
        ? Promise.resolve(soleAdmin(tokenFile, seen))
        : readPrincipals(principalsFile, { env, seen }),
    );
    const tls = await Live.open((seen) => Promise.resolve(readTls(paths.tls, seen)));
    return new Access(principals, tls);
  }

  /** The principal of a caller, or why it is none. */
  find(proof: Proof): PrincipalEntry | Unproven {
    return this.#principals.value.find(proof);
  }

  get(name: string): PrincipalEntry | undefined {
    return this.#principals.value.get(name);
  }

  /** None for a principal that is not there, or no more. */
  readonly grantsOf = (name: string): readonly Grant[] =>
    OF_SOCKET.test(name) ? ADMIN_GRANTS : (this.get(name)?.grants ?? []);

  readonly rolesOf = (name: string): readonly RoleText[] =>
    OF_SOCKET.test(name) ? ADMIN : (this.get(name)?.roles ?? []);

  /** What is to be shown to clients now, PEM. */
  get tls(): TlsFiles {
    return this.#tls.value;
  }

  /** What a person should look at: files that were changed and cannot be used. One sentence each. */
  get warnings(): string[] {
    return [this.#principals.fault, this.#tls.fault].flatMap((fault) =>
      fault === undefined ? [] : [`${fault.message} What stood there before still counts.`],
    );
  }

  /** Calls back after each change; returns the stop function. */
  onChange(listener: (change: Change) => void): () => void {
    this.#listeners.add(listener);
    return () => this.#listeners.delete(listener);
  }

  /** Begins to look at the files. */
  start(log: Pick<Logger, "info" | "warn">): void {
    this.#log = log;
    this.#later();
  }

  stop(): void {
    clearTimeout(this.#timer);
    this.#log = undefined;
  }

  /** Looks at the files now. */
  async check(): Promise<void> {
    const before = this.#tls.value;
    if (this.#settle(await this.#principals.check(), this.#principals.fault)) this.#tell("principals");
    if (!this.#settle(await this.#tls.check(), this.#tls.fault)) return;
    this.#tell("certificate");
    if (!isSame(before.clientCa, this.#tls.value.clientCa)) this.#tell("client CA");
  }

  #settle(outcome: "same" | "changed" | "refused", fault: Error | undefined): boolean {
    if (outcome === "refused")
      this.#log?.warn({ fault: fault?.message }, "a changed file of access cannot be used");
    return outcome === "changed";
  }

  #tell(change: Change): void {
    this.#log?.info({ change }, "read anew");
    for (const listener of this.#listeners) listener(change);
  }

  #later(): void {
    this.#timer = setTimeout(() => {
      void this.check().finally(() => this.#log && this.#later());
    }, INTERVAL_MS).unref();
  }
}

function soleAdmin(tokenFile: string | undefined, seen: (file: string) => void): Principals {
  const principals = new Principals();
  if (tokenFile === undefined) return principals;
  seen(tokenFile);
  const entry = { name: "token", roles: ADMIN, grants: ADMIN_GRANTS, quota: undefined };
  principals.add(entry, [readTokenFile("token_file", tokenFile)], []);
  return principals;
}

function isSame(a: Buffer | undefined, b: Buffer | undefined): boolean {
  return a === undefined || b === undefined ? a === b : a.equals(b);
}
