/**
 * What a run's attributes are to us: fields become params, what Neptune itself knows (`sys/...`) tags, its own tags too, under
 * their names.
 */
import type { PastEnd, PastRecord, PastRow } from "@pipekit/adapters/history";
import type { AttributeRow } from "./table.ts";

const SYSTEM = "sys/";
const FILES = new Set(["file", "file_set", "file_series", "artifact"]);
const SERIES = new Set(["string_series", "histogram_series"]);

export class Attributes {
  readonly #params = new Map<string, unknown>();
  readonly #tags = new Map<string, string>();
  readonly #files = new Map<string, string>();
  readonly #keys = new Map<string, readonly string[]>();
  readonly #left = new Map<string, number>();
  #fractions = 0;
  #lastUs = 0;
  name = "";
  host = "";
  createdAtUs: number | undefined;
  #failed = false;

  /** Takes in what is no point. */
  addFact({ path, type, step, value }: AttributeRow): void {
    if (SERIES.has(type)) this.#left.set(type, (this.#left.get(type) ?? 0) + 1);
    else if (FILES.has(type)) this.#addFile(path, type, step, value);
    else if (value === undefined || type === "float_series") return;
    else if (path.startsWith(SYSTEM)) this.#addSystem(path, value);
    else this.#params.set(path, type === "datetime" ? dateText(value) : value);
  }

  /** A value of a series as a row; undefined when it has no value. */
  point({ path, step, timeUs, value }: AttributeRow, stepMultiplier: number): PastRow | undefined {
    if (typeof value !== "number") return undefined;
    let keys = this.#keys.get(path);
    if (keys === undefined) {
      keys = [path];
      this.#keys.set(path, keys);
    }
    const millionths = Math.round((step ?? 0) * 1e6) * stepMultiplier;
    if (millionths % 1e6 !== 0) this.#fractions++;
    const at = timeUs ?? this.createdAtUs ?? 0;
    this.#lastUs = Math.max(this.#lastUs, at);
    return { keys, step: Math.trunc(millionths / 1e6), timeUs: at, values: [value] };
  }

  *records(): Generator<PastRecord> {
    yield { kind: "params", params: Object.fromEntries(this.#params) };
    yield { kind: "tags", tags: Object.fromEntries(this.#tags) };
  }

  /** Names of artifacts, and where they lie below the export's files. */
  get files(): readonly { readonly name: string; readonly path: string }[] {
    return [...this.#files].map(([name, path]) => ({ name, path }));
  }

  /** An export is of a run as it was then; one that was failed says so. */
  end(startedAtUs: number): PastEnd {
    const endedAtUs = Math.max(this.#lastUs, startedAtUs);
    return { state: this.#failed ? "failed" : "completed", reason: "", endedAtUs };
  }

  *notes(id: string): Generator<string> {
    for (const [type, count] of this.#left) yield `Run ${id}: ${count} values of type ${type} are left out.`;
    if (this.#fractions > 0) {
      yield `Run ${id}: ${this.#fractions} steps have a part behind the point, which is cut off; ` +
        "`?step_multiplier=1000` keeps three digits of it.";
    }
  }

  #addSystem(path: string, value: unknown): void {
    switch (path) {
      case "sys/name":
        this.name = String(value);
        return;
      case "sys/hostname":
        this.host = String(value);
        return;
      case "sys/creation_time":
        this.createdAtUs = Number(value);
        return;
      case "sys/failed":
        this.#failed = value === true;
        return;
      case "sys/modification_time":
        this.#lastUs = Math.max(this.#lastUs, Number(value));
        return;
      case "sys/tags":
      case "sys/group_tags":
        for (const tag of Array.isArray(value) ? value : []) this.#tags.set(String(tag), "");
        return;
      default:
        this.#tags.set(`neptune.${path}`, String(value));
    }
  }

  #addFile(path: string, type: string, step: number | undefined, value: unknown): void {
    if (typeof value !== "object" || value === null || !("path" in value)) return;
    const name = type === "file_series" ? `${path}/${step ?? 0}` : path;
    this.#files.set(name, String(value.path));
  }
}

function dateText(us: unknown): string {
  const date = new Date(Number(us) / 1000);
  return Number.isNaN(date.getTime()) ? String(us) : date.toISOString();
}
