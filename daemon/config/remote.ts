/** What the daemon needs to be reached over TCP: an address, a certificate with its key, and who may call. */
import { Access, invalid } from "../access/index.ts";
import type { Env } from "./folders.ts";

/** The settings, as they stand in the config. */
export interface RemoteSettings {
  readonly listen?: string | undefined;
  readonly tls_cert?: string | undefined;
  readonly tls_key?: string | undefined;
  readonly tls_client_ca?: string | undefined;
  readonly tls_client_auth?: "required" | "optional" | undefined;
  readonly token_file?: string | undefined;
  readonly principals_file?: string | undefined;
}

/** How to listen on TCP. */
export interface RemoteListen {
  /** `host:port`. */
  readonly address: string;
  readonly host: string;
  readonly port: number;
  readonly access: Access;
  /** Whether the handshake fails without a certificate that the client CA has signed. */
  readonly needsCertificate: boolean;
}

/**
 * Reads what the settings name. Undefined without `listen`; a `token_file` alone is no fault, since the variable
 * PKX_TOKEN_FILE is the clients' as well. Throws PipekitError INVALID_DAEMON_CONFIG that names the setting.
 */
export async function readRemote(settings: RemoteSettings, env: Env): Promise<RemoteListen | undefined> {
  const { listen, tls_cert, tls_key, tls_client_ca, tls_client_auth, token_file, principals_file } = settings;
  const alone = { tls_cert, tls_key, tls_client_ca, tls_client_auth, principals_file };
  if (listen === undefined && Object.values(alone).every((value) => value === undefined)) return undefined;
  if (listen === undefined) throw incomplete("listen");
  if (tls_cert === undefined) throw incomplete("tls_cert");
  if (tls_key === undefined) throw incomplete("tls_key");
  if (token_file === undefined && principals_file === undefined) throw incomplete("token_file");
  if (tls_client_auth !== undefined && tls_client_ca === undefined) throw incomplete("tls_client_ca");
  const place = readAddress("listen", listen);
  const tls = { certificate: tls_cert, key: tls_key, clientCa: tls_client_ca };
  const paths = { tokenFile: token_file, principalsFile: principals_file, tls };
  const access = await Access.open({ paths, env });
  const needsCertificate = tls_client_ca !== undefined && tls_client_auth !== "optional";
  return { address: listen, ...place, access, needsCertificate };
}

/** Host and port of an address `host:port`; an IPv6 host stands in brackets. Throws INVALID_DAEMON_CONFIG. */
export function readAddress(name: string, address: string): { readonly host: string; readonly port: number } {
  const [, inBrackets, plain, digits] = /^(?:\[([\da-fA-F:.]+)\]|([\w.-]+)):(\d{1,5})$/.exec(address) ?? [];
  const [host, port] = [inBrackets ?? plain, Number(digits)];
  if (host !== undefined && port > 0 && port < 65_536) return { host, port };
  throw invalid(
    name,
    `The address ${address} is not of the form host:port.`,
    "Write it like 0.0.0.0:7443 or [::1]:7443.",
  );
}

function incomplete(name: string) {
  return invalid(
    name,
    `The daemon is to be reached over TCP, and ${name} is not set.`,
    "Set listen, tls_cert, tls_key and one of principals_file and token_file, or none: see docs/remote.md.",
  );
}
