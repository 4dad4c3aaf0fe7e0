/**
 * Whose a client's certificate is. A principal names one of the identities in it: `uri:` or `dns:` of its subject alternative
 * names, or `cn:`, its subject's common name. The kind is part of the name, so that a host called alice is not the person.
 */
import { X509Certificate } from "node:crypto";

/** What a certificate that the client CA has signed says of its holder. */
export interface Holder {
  /** Such as `uri:spiffe://team/trainer`. */
  readonly identities: readonly string[];
  /** When it begins and ends to count, unix milliseconds. */
  readonly fromMs: number;
  readonly untilMs: number;
}

/** Form of a `certificate` in the principals file. */
export const IDENTITY = /^(?:uri|dns|cn):[\x21-\x7e]{1,512}$/;

/** Certificates that were read, by digest: reading one takes a tenth of a millisecond, and each call of a connection has the same. */
const READ_AT_MOST = 256;
const read = new Map<string, Holder>();

/** Reads a certificate, DER, whose fingerprint is given. */
export function holderOf(fingerprint: string, der: Buffer): Holder {
  const known = read.get(fingerprint);
  if (known !== undefined) return known;
  const certificate = new X509Certificate(der);
  const holder = {
    identities: [...alternativeNames(certificate.subjectAltName ?? ""), ...commonNames(certificate.subject)],
    fromMs: Date.parse(certificate.validFrom),
    untilMs: Date.parse(certificate.validTo),
  };
  if (read.size >= READ_AT_MOST) read.clear();
  read.set(fingerprint, holder);
  return holder;
}

/**
 * URI and DNS names in Node's text of the extension: `URI:spiffe://a, DNS:b`; a name that holds a comma or other odd characters
 * is a JSON string there (nodejs.org, X509Certificate.subjectAltName).
 */
export function alternativeNames(text: string): string[] {
  const entries = text.matchAll(/(?:^|, )(\w[\w ]*):("(?:[^"\\]|\\.)*"|[^",]*)(?=, |$)/g);
  return [...entries].flatMap(([, kind, value = ""]) => {
    if (kind !== "URI" && kind !== "DNS") return [];
    const name = value.startsWith('"') ? String(JSON.parse(value)) : value;
    // Names of hosts are the same in capitals.
    return [kind === "DNS" ? `dns:${name.toLowerCase()}` : `uri:${name}`];
  });
}

/** The common name in Node's text of a subject, one attribute a line; none where there are several. */
function commonNames(subject: string | undefined): string[] {
  const names = (subject ?? "").split("\n").filter((line) => line.startsWith("CN="));
  return names.length === 1 ? names.map((line) => `cn:${line.slice("CN=".length)}`) : [];
}
