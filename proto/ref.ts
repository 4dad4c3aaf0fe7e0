/** References to models: `hash`, a unique prefix of it, `name`, `name@7`, `name~1`. */
import { PipekitError } from "./failure.ts";

export type Ref =
  | { readonly kind: "hash"; readonly hash: string }
  /** 8 to 63 hex digits. */
  | { readonly kind: "prefix"; readonly prefix: string }
  | { readonly kind: "tag"; readonly name: string }
  /** Where the tag's move number `seq` led. */
  | { readonly kind: "move"; readonly name: string; readonly seq: number }
  /** Where the tag pointed `steps` moves ago. */
  | { readonly kind: "back"; readonly name: string; readonly steps: number };

const MAX_NAME_LENGTH = 128;
const HASH_LIKE = /^[0-9a-fA-F]{8,}$/;
const NAME = /^[A-Za-z0-9][A-Za-z0-9._-]*$/;
const COUNTED = /^(.*)([@~])([1-9][0-9]{0,14})$/s;

/** Reads a reference; hex digits of a hash may be upper case. Throws REF_INVALID. */
export function parseRef(text: string): Ref {
  if (HASH_LIKE.test(text)) {
    const hex = text.toLowerCase();
    if (hex.length === 64) return { kind: "hash", hash: hex };
    if (hex.length < 64) return { kind: "prefix", prefix: hex };
    throw invalidRef(text, "has more than the 64 hexadecimal digits of a hash");
  }
  const counted = COUNTED.exec(text);
  const name = counted?.[1] ?? text;
  const fault = nameFault(name);
  if (fault !== undefined) throw invalidRef(text, fault);
  if (counted === null) return { kind: "tag", name };
  const count = Number(counted[3]);
  return counted[2] === "@" ? { kind: "move", name, seq: count } : { kind: "back", name, steps: count };
}

/** Writes a reference in the form that parseRef reads. */
export function refText(ref: Ref): string {
  switch (ref.kind) {
    case "hash":
      return ref.hash;
    case "prefix":
      return ref.prefix;
    case "tag":
      return ref.name;
    case "move":
      return `${ref.name}@${ref.seq}`;
    case "back":
      return `${ref.name}~${ref.steps}`;
  }
}

/** Throws TAG_NAME_INVALID unless a tag may have this name. */
export function checkTagName(name: string): void {
  const fault = nameFault(name);
  if (fault === undefined) return;
  throw new PipekitError("TAG_NAME_INVALID", `The tag name ${quoted(name)} ${fault}.`, {
    field: "name",
    mend: "Use 1 to 128 letters, digits, `.`, `_` or `-`, beginning with a letter or digit, such as `production`.",
  });
}

/** True for a whole hash as this registry writes it. */
export function isHash(text: string): boolean {
  return /^[0-9a-f]{64}$/.test(text);
}

function nameFault(name: string): string | undefined {
  if (name === "") return "is empty";
  if (name.length > MAX_NAME_LENGTH) return `has more than ${MAX_NAME_LENGTH} characters`;
  if (HASH_LIKE.test(name)) return "looks like a hash";
  if (/^[._-]/.test(name)) return `begins with \`${name[0]}\``;
  // It would lead nowhere; but a name is part of paths and addresses, where tools take `..` for a step up.
  if (name.includes("..")) return "holds `..`";
  if (!NAME.test(name)) {
    const odd = [...name].find((char) => !/[A-Za-z0-9._-]/.test(char)) ?? "";
    return `holds ${JSON.stringify(odd)}`;
  }
  return undefined;
}

function invalidRef(text: string, why: string): PipekitError {
  return new PipekitError("REF_INVALID", `The reference ${quoted(text)} ${why}.`, {
    field: "ref",
    mend: "Write a hash, 8 or more of its first digits, `name`, `name@7` or `name~1`.",
  });
}

function quoted(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}...` : text);
}
