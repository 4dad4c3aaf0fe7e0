/**
 * Writes a JSON value as YAML that a person likes to read and that YAML 1.2 and 1.1 readers (PyYAML) understand alike:
 * `1.0` stays `1.0`, `1e-05` is written `1.0e-05`, and a text like `yes` or `1_000` is quoted.
 */
import { JsonNumber, type JsonValue } from "../content/index.ts";

const PLAIN = /^[A-Za-z_][A-Za-z0-9_./-]*(?: [A-Za-z0-9_./-]+)*$/;
const RESERVED = /^(?:true|false|yes|no|on|off|y|n|null)$/i;
const UNPRINTABLE = /[\u007f-\u00a0\u2028\u2029\ufeff\ufffe\uffff]/g;
/** Longest key that may stand before its `:` on one line; YAML allows 1024. */
const MAX_SIMPLE_KEY = 500;
const MAX_FLOW_WIDTH = 80;

/** YAML text of a value, ending in a newline. */
export function yamlText(value: JsonValue): string {
  return `${block(value).join("\n")}\n`;
}

/** Bytes of that text, without making it: what is nested deep is indented far. */
export function yamlBytes(value: JsonValue): number {
  const { lines, bytes } = sizeOf(value);
  return lines + bytes;
}

/** Lines, and the bytes of all without their newlines. */
interface Size {
  readonly lines: number;
  readonly bytes: number;
}

/** As `block` would write it. */
function sizeOf(value: JsonValue): Size {
  const inline = flow(value);
  if (inline !== undefined) return { lines: 1, bytes: Buffer.byteLength(inline) };
  let [lines, bytes] = [0, 0];
  const add = (more: Size): void => {
    lines += more.lines;
    bytes += more.bytes;
  };
  if (value instanceof Map) for (const [key, entry] of value) add(sizeOfMember(key, entry));
  else for (const item of value as readonly JsonValue[]) add(indentedSize(sizeOf(item)));
  return { lines, bytes };
}

/** As `member` would write it. */
function sizeOfMember(key: string, entry: JsonValue): Size {
  const name = scalarText(key);
  const inline = name.length > MAX_SIMPLE_KEY ? undefined : flow(entry);
  if (inline !== undefined) return { lines: 1, bytes: Buffer.byteLength(`${name}: ${inline}`) };
  const { lines, bytes } = indentedSize(sizeOf(entry));
  const mark = name.length > MAX_SIMPLE_KEY ? "? " : ":";
  return { lines: 1 + lines, bytes: Buffer.byteLength(name) + mark.length + bytes };
}

function indentedSize({ lines, bytes }: Size): Size {
  return { lines, bytes: bytes + 2 * lines };
}

function block(value: JsonValue): string[] {
  const inline = flow(value);
  if (inline !== undefined) return [inline];
  if (value instanceof Map) return [...value].flatMap(([key, entry]) => member(key, entry));
  return (value as readonly JsonValue[]).flatMap((item) => indented("- ", block(item)));
}

function member(key: string, entry: JsonValue): string[] {
  const name = scalarText(key);
  if (name.length > MAX_SIMPLE_KEY) return [`? ${name}`, ...indented(": ", block(entry))];
  const inline = flow(entry);
  if (inline !== undefined) return [`${name}: ${inline}`];
  return [`${name}:`, ...indented("  ", block(entry))];
}

function indented(first: string, lines: readonly string[]): string[] {
  return lines.map((line, i) => (i === 0 ? first : "  ") + line);
}

/** What stands on one line: scalars, what is empty, short lists of scalars. */
function flow(value: JsonValue): string | undefined {
  if (value instanceof Map) return value.size === 0 ? "{}" : undefined;
  if (!Array.isArray(value)) return scalarText(value as null | boolean | string | JsonNumber);
  if (value.length > MAX_FLOW_WIDTH / 3 || value.some((item) => item instanceof Map || Array.isArray(item))) {
    return undefined;
  }
  const text = `[${value.map(scalarText).join(", ")}]`;
  return text.length <= MAX_FLOW_WIDTH ? text : undefined;
}

function scalarText(value: null | boolean | string | JsonNumber): string {
  if (value instanceof JsonNumber) return numberText(value.source);
  if (typeof value !== "string") return String(value);
  if (PLAIN.test(value) && !RESERVED.test(value)) return value;
  return JSON.stringify(value).replace(
    UNPRINTABLE,
    (char) => `\\u${char.charCodeAt(0).toString(16).padStart(4, "0")}`,
  );
}

/** YAML 1.1 takes a number with an exponent for a text unless it has a point and a sign. */
function numberText(source: string): string {
  const [mantissa = "", exponent] = source.split(/[eE]/);
  if (exponent === undefined) return source;
  const withPoint = mantissa.includes(".") ? mantissa : `${mantissa}.0`;
  return `${withPoint}e${/^[+-]/.test(exponent) ? "" : "+"}${exponent}`;
}
