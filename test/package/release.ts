/** Another release of the project: its sources under another version, with clients and a bundled daemon that run. */
import { execFile, spawn } from "node:child_process";
import { once } from "node:events";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  writeFileSync,
} from "node:fs";
import { basename, join, resolve } from "node:path";
import { promisify } from "node:util";
import { toolPath } from "../support/tools.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const PACKAGES = ["proto", "adapters", "daemon", "clients/typescript", "clients/page"];
const LEFT_OUT = new Set(["node_modules", "dist", "__pycache__", "_daemon"]);
const NODE_FLAGS = ["--disable-warning=ExperimentalWarning", "--input-type=module", "-e"];

/** Which release. */
export interface Edition {
  readonly version: string;
  /** The one protocol version that client and daemon speak. */
  readonly protocol: number;
}

/** A process of a client that is told to go on by lines and tells by lines how it goes. */
export interface ClientProcess {
  /** The next line that it prints. Rejects with its standard error when it ends before. */
  line(): Promise<string>;
  /** Lets it go on. */
  go(): void;
  /** Resolves when it has ended well; rejects with its standard error. */
  ended(): Promise<void>;
  kill(): void;
}

/** Sources of the tree under another version and protocol, in a folder of their own. */
export class Release {
  readonly #folder: string;

  private constructor(folder: string) {
    this.#folder = folder;
  }

  static async make(folder: string, { version, protocol }: Edition): Promise<Release> {
    for (const name of [...PACKAGES, "clients/python/src"]) {
      const filter = (path: string) => !LEFT_OUT.has(basename(path));
      cpSync(join(ROOT, name), join(folder, name), { recursive: true, filter });
    }
    linkModules(folder);
    const write = (file: string, ...changes: readonly (readonly [RegExp, string])[]) => {
      const path = join(folder, file);
      let text = readFileSync(path, "utf8");
      for (const [from, to] of changes) {
        if (!from.test(text)) throw new Error(`${file} has no ${from}`);
        text = text.replace(from, to);
      }
      writeFileSync(path, text);
    };
    write(
      "proto/protocol.ts",
      [/(PROTOCOL_MIN = )\d+/, `$1${protocol}`],
      [/(PROTOCOL_MAX = )\d+/, `$1${protocol}`],
    );
    write("daemon/package.json", [/("version": )"[^"]+"/, `$1"${version}"`]);
    write("clients/typescript/src/channel.ts", [/(VERSION = )"[^"]+"/, `$1"${version}"`]);
    const python = "clients/python/src/pipekit_experiment";
    write(`${python}/__init__.py`, [/(__version__ = )"[^"]+"/, `$1"${version}"`]);
    write(
      `${python}/_src/connection.py`,
      [/^(PROTOCOL_MIN = )\d+/m, `$1${protocol}`],
      [/^(PROTOCOL_MAX = )\d+/m, `$1${protocol}`],
    );
    // Fills the folder of the Python package, too: its client starts the bundle, that of TypeScript the sources.
    await promisify(execFile)(process.execPath, [join(folder, "daemon/build.ts")]);
    return new Release(folder);
  }

  /** Runs a program with `pe`, the Python client, at hand. */
  python(program: string, env: NodeJS.ProcessEnv): ClientProcess {
    const given = {
      ...env,
      PYTHONPATH: join(this.#folder, "clients/python/src"),
      PKX_NODE: process.execPath,
    };
    return start(toolPath("python"), ["-c", `import pipekit_experiment as pe\n${program}`], given);
  }

  /** Runs a module with `connect` of the TypeScript client at hand. */
  typescript(program: string, env: NodeJS.ProcessEnv): ClientProcess {
    const client = JSON.stringify(join(this.#folder, "clients/typescript/src/index.ts"));
    return start(process.execPath, [...NODE_FLAGS, `import { connect } from ${client};\n${program}`], env);
  }
}

/** All packages from outside, and those of the release in place of the tree's. */
function linkModules(folder: string): void {
  const [from, to] = [join(ROOT, "node_modules"), join(folder, "node_modules")];
  mkdirSync(join(to, "@pipekit"), { recursive: true });
  for (const name of readdirSync(from)) {
    if (name !== "@pipekit") symlinkSync(join(from, name), join(to, name));
  }
  for (const path of PACKAGES) {
    const name = path === "clients/typescript" ? "experiment" : basename(path);
    symlinkSync(join(folder, path), join(to, "@pipekit", name));
    const own = join(ROOT, path, "node_modules");
    if (existsSync(own)) symlinkSync(own, join(folder, path, "node_modules"));
  }
}

function start(command: string, args: readonly string[], env: NodeJS.ProcessEnv): ClientProcess {
  const child = spawn(command, args, { env, stdio: "pipe" });
  const lines: string[] = [];
  let stdout = "";
  let stderr = "";
  child.stderr.on("data", (chunk) => {
    stderr += chunk;
  });
  child.stdout.on("data", (chunk) => {
    const whole = (stdout + chunk).split("\n");
    stdout = whole.pop() ?? "";
    lines.push(...whole);
    child.emit("line");
  });
  const closed = once(child, "close");
  const failure = () => new Error(`The client ended with ${child.exitCode ?? child.signalCode}: ${stderr}`);
  return {
    async line() {
      while (lines.length === 0) {
        const over = await Promise.race([
          once(child, "line").then(() => false),
          closed.then(() => lines.length === 0),
        ]);
        if (over) throw failure();
      }
      return lines.shift() ?? "";
    },
    go: () => child.stdin.write("\n"),
    async ended() {
      await closed;
      if (child.exitCode !== 0) throw failure();
    },
    kill: () => child.kill("SIGKILL"),
  };
}

/** Removes a release. */
export function remove(folder: string): void {
  rmSync(folder, { recursive: true, force: true });
}
