/** Numbers, sizes and times as people read them. */
import type { JsonNumber, SinkDocument } from "@pipekit/proto/editor";

const UNITS = ["B", "kB", "MB", "GB", "TB", "PB"];
const COUNT = new Intl.NumberFormat("en");

/** 1234567 -> "1,234,567". */
export function formatCount(count: number): string {
  return COUNT.format(count);
}

/** "3 runs", "1 run". */
export function counted(count: number, one: string, many = `${one}s`): string {
  return `${formatCount(count)} ${count === 1 ? one : many}`;
}

/** A value with as many digits as tell something: 0.4312, 12,345.7, 3.2e-7, NaN. */
export function formatValue(value: JsonNumber): string {
  if (typeof value === "string") return value;
  if (!Number.isFinite(value)) return String(value);
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 1e9 || size < 1e-4) return trimmed(value.toExponential(3));
  if (Number.isInteger(value)) return formatCount(value);
  const digits = Math.min(8, Math.max(1, 4 - Math.floor(Math.log10(size))));
  return new Intl.NumberFormat("en", { maximumFractionDigits: digits }).format(value);
}

/** 1500 -> "1.5 kB"; decimal units. */
export function formatBytes(bytes: number): string {
  let [value, unit] = [bytes, 0];
  while (value >= 1000 && unit < UNITS.length - 1) [value, unit] = [value / 1000, unit + 1];
  return `${unit === 0 || value >= 100 ? Math.round(value) : value.toFixed(1)} ${UNITS[unit]}`;
}

/** A length of time: "850 ms", "42 s", "3 min 20 s", "5 h 10 min", "12 d". */
export function formatDuration(us: number): string {
  const seconds = Math.max(0, us / 1e6);
  if (seconds < 1) return `${Math.round(seconds * 1000)} ms`;
  if (seconds < 60) return `${Math.floor(seconds)} s`;
  if (seconds < 3600) return pair(seconds, 60, "min", 1, "s");
  if (seconds < 48 * 3600) return pair(seconds, 3600, "h", 60, "min");
  return `${Math.floor(seconds / 86_400)} d`;
}

function pair(seconds: number, large: number, largeName: string, small: number, smallName: string): string {
  const rest = Math.floor((seconds % large) / small);
  return `${Math.floor(seconds / large)} ${largeName}${rest === 0 ? "" : ` ${rest} ${smallName}`}`;
}

/** How long ago a moment was: "just now", "12 s ago". Unix microseconds. */
export function formatAge(atUs: number, nowUs: number): string {
  if (atUs === 0) return "";
  return nowUs - atUs < 2e6 ? "just now" : `${formatDuration(nowUs - atUs)} ago`;
}

/** A moment in local time, to the second. Unix microseconds. */
export function formatTime(atUs: number): string {
  if (atUs === 0) return "";
  const at = new Date(atUs / 1000);
  const two = (value: number) => String(value).padStart(2, "0");
  const day = `${at.getFullYear()}-${two(at.getMonth() + 1)}-${two(at.getDate())}`;
  return `${day} ${two(at.getHours())}:${two(at.getMinutes())}:${two(at.getSeconds())}`;
}

/** The first 12 digits of a hash: enough to tell models apart, short enough to read. */
export function shortHash(hash: string): string {
  return hash.slice(0, 12);
}

/** How far a sink is behind, in one phrase. */
export function sinkLag(sink: SinkDocument, nowUs: number): string {
  if (sink.pendingSinceUs === 0) return sink.state === "done" ? "complete" : "up to date";
  return `${formatDuration(nowUs - sink.pendingSinceUs)} behind`;
}

/** Ticks of an axis of steps: 1500 -> "1.5k". */
export function formatTick(value: number): string {
  const size = Math.abs(value);
  if (size >= 1e12) return value.toExponential(1);
  if (size >= 1e9) return `${trimmed((value / 1e9).toFixed(2))}G`;
  if (size >= 1e6) return `${trimmed((value / 1e6).toFixed(2))}M`;
  if (size >= 1e4) return `${trimmed((value / 1e3).toFixed(2))}k`;
  return formatValue(value);
}

/** Drops zeros that say nothing from behind a decimal point, also before an exponent. */
function trimmed(text: string): string {
  return text.replace(/\.(\d*?)0+(?=e|$)/, (_, kept: string) => (kept === "" ? "" : `.${kept}`));
}

export function nowUs(): number {
  return Date.now() * 1000;
}
