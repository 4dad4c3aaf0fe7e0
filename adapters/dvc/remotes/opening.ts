/** From a remote's settings to the remote: which kind it is, and what of it we can do as DVC does. */
import { fileURLToPath } from "node:url";
import { DatasetFault } from "../../dataset.ts";
import type { RemoteConfig } from "../config.ts";
import { settingFault } from "./faults.ts";
import { FolderRemote } from "./folder.ts";
import type { Remote } from "./remote.ts";
import { bucketSettings } from "./s3-settings.ts";

const JOBS = 16;
const MOST_JOBS = 64;
const SUPPORTED = "Use a folder, or s3://BUCKET/PREFIX for S3 and servers that speak its protocol.";

/** Opens remotes by name, each once. */
export class Remotes {
  readonly #configs: ReadonlyMap<string, RemoteConfig>;
  readonly #env: NodeJS.ProcessEnv;
  readonly #opened = new Map<string, Promise<Remote>>();

  constructor(configs: ReadonlyMap<string, RemoteConfig>, env: NodeJS.ProcessEnv) {
    // DVC takes names of remotes without regard to case.
    this.#configs = new Map([...configs].map(([name, config]) => [name.toLowerCase(), config]));
    this.#env = env;
  }

  /** Names as the settings have them. */
  get names(): readonly string[] {
    return [...this.#configs.values()].map(({ name }) => name);
  }

  /** Throws DatasetFault `invalid` for a name that is not known, and for settings that cannot be used. */
  open(name: string): Promise<Remote> {
    const key = name.toLowerCase();
    const opened = this.#opened.get(key) ?? this.#open(name);
    this.#opened.set(key, opened);
    return opened;
  }

  /** Runs `use`, and closes what it has opened. */
  async during<T>(use: (remotes: Remotes) => Promise<T>): Promise<T> {
    try {
      return await use(this);
    } finally {
      const opened = await Promise.allSettled(this.#opened.values());
      this.#opened.clear();
      for (const remote of opened) if (remote.status === "fulfilled") remote.value.close();
    }
  }

  async #open(name: string): Promise<Remote> {
    const config = this.#resolved(name, []);
    const { url, settings } = config;
    for (const key of ["worktree", "version_aware"]) {
      if (settings.get(key)?.toLowerCase() !== "true") continue;
      throw settingFault(
        config.name,
        key,
        "makes the bucket keep versions itself, which is not supported",
        SUPPORTED,
      );
    }
    const jobs = jobsOf(config);
    if (/^s3:\/\//i.test(url)) {
      const bucket = await bucketSettings(config, this.#env, jobs);
      const { BucketRemote } = await import("./s3.ts");
      return new BucketRemote(bucket);
    }
    const scheme = /^(\w[\w+.-]*):\/\//.exec(url)?.[1]?.toLowerCase();
    if (scheme !== undefined && scheme !== "file") {
      throw settingFault(config.name, "url", `begins with ${scheme}://, which is not supported`, SUPPORTED);
    }
    if (url === "") throw settingFault(config.name, "url", "is missing", SUPPORTED);
    const folder = scheme === "file" ? fileURLToPath(url) : url;
    return new FolderRemote({
      name: config.name,
      folder,
      isShared: settings.get("shared") === "group",
      jobs,
    });
  }

  /** Follows `remote://other/path`, whose settings are those of the other one unless they are given anew. */
  #resolved(name: string, way: readonly string[]): RemoteConfig {
    const config = this.#configs.get(name.toLowerCase());
    if (config === undefined) throw this.#unknown(name);
    const reference = /^remote:\/\/([^/]+)\/?(.*)$/i.exec(config.url);
    if (reference === null) return config;
    const [, other = "", path = ""] = reference;
    if (way.includes(other))
      throw settingFault(config.name, "url", "leads back to itself", "Name another remote in it.");
    const base = this.#resolved(other, [...way, other]);
    const url = path === "" ? base.url : `${base.url.replace(/\/+$/, "")}/${path}`;
    return {
      name: config.name,
      url,
      settings: new Map([...base.settings, ...config.settings, ["url", url]]),
    };
  }

  #unknown(name: string): DatasetFault {
    const known = this.names.map((known) => `\`${known}\``).join(", ");
    return new DatasetFault("invalid", `No remote has the name \`${name}\`.`, {
      field: "remote",
      mend: known === "" ? "Add one: `dvc remote add -d NAME URL`." : `Known are ${known}.`,
    });
  }
}

function jobsOf({ name, settings }: RemoteConfig): number {
  const text = settings.get("jobs");
  if (text === undefined) return JOBS;
  if (/^[1-9]\d{0,4}$/.test(text)) return Math.min(Number(text), MOST_JOBS);
  throw settingFault(name, "jobs", "is no whole number of at least 1", "Mend it, or leave it out.");
}
