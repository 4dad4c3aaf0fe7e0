/** What the caller of a call over TCP proves. */
import type { Metadata } from "@grpc/grpc-js";
import { PipekitError } from "@pipekit/proto";
import { holderOf, type Proof, type Unproven } from "../access/index.ts";

/** What a caller proves. The certificate is there only when the client CA has signed it. */
export function proofOf(
  metadata: Metadata,
  certificate: { readonly fingerprint256: string; readonly raw: Buffer } | undefined,
): { readonly proof: Proof; readonly untilMs: number } {
  const sent = metadata.get("authorization");
  metadata.remove("authorization");
  const token = /^Bearer +(\S+)$/i.exec(sent.length === 1 ? String(sent[0]) : "")?.[1];
  if (sent.length > 0 && token === undefined) throw unproven("unknown token");
  const byToken = { proof: { token, identities: [] }, untilMs: Number.POSITIVE_INFINITY };
  if (certificate === undefined) return byToken;
  const { identities, fromMs, untilMs } = holderOf(certificate.fingerprint256, certificate.raw);
  const now = Date.now();
  // A connection may outlive the certificate that it was made with.
  return now >= fromMs && now <= untilMs ? { proof: { token, identities }, untilMs } : byToken;
}

/** The longest time that a timer takes: 24 days. A stream that is older by then is left alone. */
const LONGEST_MS = 2 ** 31 - 1;

/** Calls `then` when a proof counts no more; undefined for one that does not end. */
export function afterExpiry(untilMs: number, then: () => void): NodeJS.Timeout | undefined {
  const leftMs = untilMs - Date.now();
  return leftMs > LONGEST_MS ? undefined : setTimeout(then, leftMs + 1).unref();
}

const WHY: Readonly<Record<Unproven, string>> = {
  nothing: "Calls over TCP need a token, or a certificate that names a principal.",
  "unknown token": "The token is nobody's.",
  "unknown certificate": "The certificate names no principal.",
  "two principals": "Token and certificate are those of two principals.",
};

/** The failure of who proves nothing. */
export function unproven(why: Unproven): PipekitError {
  return new PipekitError("UNAUTHENTICATED", WHY[why], {
    field: why === "unknown certificate" ? "certificate" : "authorization",
    mend: "Set PKX_TOKEN_FILE to a file with a token of the daemon's, or PKX_CLIENT_CERT_FILE and PKX_CLIENT_KEY_FILE.",
  });
}
