/**
 * What a plain scalar of YAML means to OmegaConf: PyYAML's YAML 1.1 with its own rule for floats (`1e3` is one) and without
 * dates. `yes` and `on` are booleans, `y` is a text, `010` is 8, `1:30` is 90.
 * Source: omegaconf/_utils.py (get_yaml_loader) and yaml/resolver.py, yaml/constructor.py; the test asks the real ones.
 */
import { MAX_DIGITS } from "./limits.ts";
import type { Atom } from "./values.ts";

const BOOL = /^(?:yes|Yes|YES|no|No|NO|true|True|TRUE|false|False|FALSE|on|On|ON|off|Off|OFF)$/;
const TRUE = /^(?:yes|true|on)$/i;
const NULL = /^(?:~|null|Null|NULL|)$/;
const INTEGER =
  /^(?:[-+]?0b[01_]+|[-+]?0[0-7_]+|[-+]?(?:0|[1-9][0-9_]*)|[-+]?0x[0-9a-fA-F_]+|[-+]?[1-9][0-9_]*(?::[0-5]?[0-9])+)$/;
const FLOATS = [
  /^[-+]?[0-9][0-9_]*\.[0-9_]*(?:[eE][-+][0-9]+)?$/,
  /^\.[0-9][0-9_]*(?:[eE][-+][0-9]+)?$/,
  /^[-+]?[0-9][0-9_]*(?::[0-5]?[0-9])+\.[0-9_]*$/,
  /^[-+]?[0-9]+(?:_[0-9]+)*\.[0-9_]*(?:[eE][-+]?[0-9]+)?$/,
  /^[-+]?[0-9]+(?:_[0-9]+)*[eE][-+]?[0-9]+$/,
  /^[-+]?\.(?:inf|Inf|INF)$/,
  /^\.(?:nan|NaN|NAN)$/,
];
/** Longest text that is looked at as a number. */
const MAX_NUMBER = 10_000;
const PREFIX = "tag:yaml.org,2002:";

/** A scalar that its loader would refuse. The message ends the sentence "`path` ...". */
export class WrongScalar extends Error {
  readonly code: "tag" | "syntax";

  constructor(message: string, code: "tag" | "syntax" = "tag") {
    super(message);
    this.code = code;
  }
}

/** The value of a plain scalar without a tag. Throws WrongScalar. */
export function plainScalar(text: string): Atom {
  if (NULL.test(text)) return null;
  if (BOOL.test(text)) return TRUE.test(text);
  if (text === "=" || text === "<<") throw new WrongScalar(`is \`${text}\`, which YAML 1.1 keeps for itself`);
  if (text.length > MAX_NUMBER || !/^[-+.0-9]/.test(text)) return text;
  if (FLOATS.some((pattern) => pattern.test(text))) return floatOf(text);
  return INTEGER.test(text) ? integerOf(text) : text;
}

/** The value of a scalar with a tag. Throws WrongScalar. */
export function taggedScalar(tag: string, text: string): Atom {
  switch (tag.startsWith(PREFIX) ? tag.slice(PREFIX.length) : "") {
    case "str":
      return text;
    case "null":
      return null;
    case "bool":
      if (BOOL.test(text)) return TRUE.test(text);
      throw new WrongScalar("is tagged as a boolean and is none");
    case "int":
      return integerOf(text);
    case "float":
      return floatOf(text);
    default:
      throw new WrongScalar(`has the tag \`${tag.slice(0, 100)}\`, which configs cannot hold`);
  }
}

function integerOf(text: string): bigint {
  const { sign, digits } = split(text);
  const value = unsignedInteger(digits);
  if (value === undefined) throw new WrongScalar("is no integer");
  return sign * value;
}

function unsignedInteger(digits: string): bigint | undefined {
  const [, base, rest = ""] = /^(0[bx]|0)?(.*)$/s.exec(digits) ?? [];
  if (base === undefined) {
    const parts = digits.split(":");
    if (parts.length > 200) throw new WrongScalar("is an integer of too many parts");
    if (!parts.every((part) => /^[0-9]+$/.test(part))) return undefined;
    if (digits.length > MAX_DIGITS) throw new WrongScalar(`is an integer of more than ${MAX_DIGITS} digits`);
    return parts.reduce((total, part) => total * 60n + BigInt(part), 0n);
  }
  if (digits === "0") return 0n;
  const [pattern, prefix] =
    base === "0b" ? [/^[01]+$/, "0b"] : base === "0x" ? [/^[0-9a-fA-F]+$/, "0x"] : [/^[0-7]+$/, "0o"];
  if (rest.length > MAX_DIGITS / 2) throw new WrongScalar("is an integer of too many digits");
  return pattern.test(rest) ? BigInt(prefix + rest) : undefined;
}

function floatOf(text: string): number {
  const { sign, digits } = split(text.toLowerCase());
  const factor = Number(sign);
  if (digits === ".inf") return factor * Number.POSITIVE_INFINITY;
  if (digits === ".nan") return Number.NaN;
  const parts = digits.split(":");
  if (!parts.every((part) => /^(?:[0-9]+\.?[0-9]*|\.[0-9]+)(?:e[-+]?[0-9]+)?$/.test(part))) {
    throw new WrongScalar("is no float");
  }
  return factor * parts.reduce((total, part) => total * 60 + Number(part), 0);
}

function split(text: string): { readonly sign: bigint; readonly digits: string } {
  const bare = text.replaceAll("_", "");
  const signed = bare.startsWith("-") || bare.startsWith("+");
  return { sign: bare.startsWith("-") ? -1n : 1n, digits: signed ? bare.slice(1) : bare };
}
