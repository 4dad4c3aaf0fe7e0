import { readdirSync, readFileSync } from "node:fs";
import { dirname, join, relative, resolve } from "node:path";
import { describe, expect, test } from "vitest";

/**
 * Architecture Invariant: who may import whom. A room is a folder below daemon/ or adapters/; `seams` are
 * the files directly in adapters/ (tracker.ts, registry.ts, and what both sides work with: files.ts, keyed-mutex.ts, workers.ts) and
 * adapters/http, which adapters of HTTP tools share; `root` are the composition files directly in daemon/.
 */
const MAY_IMPORT: Readonly<Record<string, readonly string[]>> = {
  "daemon/root": [
    "daemon/access",
    "daemon/audit",
    "daemon/backup",
    "daemon/fan-in",
    "daemon/importing",
    "daemon/limits",
    "daemon/telemetry",
    "adapters/nats",
    "adapters/neptune",
    "daemon/cli",
    "daemon/config",
    "daemon/content",
    "daemon/editor",
    "daemon/ui",
    "clients/page",
    "daemon/delivery",
    "daemon/journal",
    "daemon/lifecycle",
    "daemon/program",
    "daemon/registry",
    "daemon/retention",
    "daemon/rpc",
    "daemon/spool",
    "daemon/system",
    "adapters/mlflow",
    "adapters/wandb",
    "adapters/tensorboard",
    "adapters/clearml",
    "adapters/dvc",
    "adapters/hydra",
    "adapters/local",
    "adapters/s3",
    "seams",
    "clients/typescript",
    "proto",
  ],
  "daemon/cli": [
    "daemon/backup",
    "daemon/config",
    "daemon/editor",
    "daemon/journal",
    "daemon/lifecycle",
    "daemon/program",
    "daemon/registry",
    "daemon/root",
    "daemon/spool",
    "daemon/support",
    "daemon/ui",
    "daemon/view",
    "clients/typescript",
    "proto",
  ],
  "daemon/program": ["daemon/lifecycle"],
  "daemon/editor": ["daemon/lifecycle", "daemon/view", "daemon/root", "proto"],
  "daemon/ui": ["daemon/view", "daemon/root", "clients/page", "proto"],
  "daemon/view": ["clients/typescript", "proto"],
  "daemon/rpc": [
    "daemon/access",
    "daemon/audit",
    "daemon/importing",
    "daemon/limits",
    "daemon/content",
    "daemon/delivery",
    "daemon/journal",
    "daemon/registry",
    "daemon/retention",
    "daemon/spool",
    "seams",
    "proto",
  ],
  "daemon/retention": ["daemon/content", "daemon/journal", "proto"],
  "daemon/system": ["daemon/journal", "daemon/lifecycle", "proto"],
  "daemon/spool": ["daemon/lifecycle", "proto"],
  "daemon/lifecycle": ["daemon/config", "daemon/delivery", "daemon/journal", "proto"],
  "daemon/delivery": ["daemon/journal", "seams", "proto"],
  "daemon/registry": ["daemon/content", "seams", "proto"],
  "daemon/journal": ["proto"],
  "daemon/content": ["seams", "proto"],
  "daemon/access": ["daemon/limits", "seams", "proto"],
  "daemon/audit": ["daemon/content", "proto"],
  "daemon/limits": ["proto"],
  "daemon/fan-in": ["daemon/journal", "seams", "proto"],
  "daemon/importing": ["daemon/journal", "seams", "proto"],
  "daemon/package": ["daemon/root"],
  "daemon/telemetry": ["daemon/config", "daemon/journal", "daemon/delivery", "proto"],
  "daemon/deploy": ["daemon/program"],
  "daemon/support": [
    "daemon/access",
    "daemon/audit",
    "daemon/journal",
    "daemon/lifecycle",
    "daemon/root",
    "proto",
  ],
  "daemon/backup": ["daemon/journal", "daemon/content", "seams", "proto"],
  "daemon/config": ["daemon/access", "daemon/limits", "seams", "clients/typescript", "proto"],
  "adapters/mlflow": ["seams"],
  "adapters/nats": ["seams"],
  "adapters/neptune": ["seams"],
  "adapters/wandb": ["seams"],
  "adapters/tensorboard": ["seams"],
  "adapters/clearml": ["seams"],
  "adapters/dvc": ["adapters/s3", "seams"],
  "adapters/hydra": ["seams"],
  "adapters/local": ["seams"],
  "adapters/s3": ["seams"],
  seams: [],
  "clients/typescript": ["proto"],
  "clients/page": ["proto"],
  "clients/vscode": ["clients/page", "proto"],
  proto: [],
};

const ROOT = resolve(import.meta.dirname, "../..");
const SOURCES = [
  "daemon",
  "adapters",
  "clients/typescript/src",
  "clients/page",
  "clients/vscode",
  "proto",
].flatMap((folder) =>
  readdirSync(join(ROOT, folder), { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => relative(ROOT, join(entry.parentPath, entry.name)))
    .filter((path) => !/(^|\/)(node_modules|dist|generated)\//.test(path)),
);

/** The room of a file, by its path from the root. */
function roomOf(path: string): string {
  const [top = "", second = "", third] = path.split("/");
  if (top === "proto") return "proto";
  if (top === "clients") return `clients/${second}`;
  if (top === "adapters" && (third === undefined || second === "http")) return "seams";
  return third === undefined ? `${top}/root` : `${top}/${second}`;
}

/** The room that an import leads to; undefined for a package from outside. */
function targetRoom(from: string, specifier: string): string | undefined {
  if (specifier.startsWith(".")) return roomOf(relative(ROOT, resolve(ROOT, dirname(from), specifier)));
  if (specifier.startsWith("@pipekit/proto")) return "proto";
  if (specifier.startsWith("@pipekit/page")) return "clients/page";
  if (specifier.startsWith("@pipekit/experiment")) return "clients/typescript";
  const adapter = /^@pipekit\/adapters\/(.+)$/.exec(specifier)?.[1];
  if (adapter === undefined) return undefined;
  return [
    "tracker",
    "registry",
    "config",
    "dataset",
    "file-faults",
    "files",
    "history",
    "http",
    "json",
    "keyed-mutex",
    "secret",
    "stream",
    "workers",
  ].includes(adapter)
    ? "seams"
    : `adapters/${adapter}`;
}

function importsOf(path: string): string[] {
  const text = readFileSync(join(ROOT, path), "utf8");
  const pattern = /(?:\bfrom\s+|\bimport\s*\(\s*|^import\s+)"([^"]+)"/gm;
  return [...text.matchAll(pattern)].map((match) => match[1] ?? "");
}

describe("rooms", () => {
  test("every source file lies in a known room", () => {
    expect(SOURCES.length).toBeGreaterThan(40);
    expect(SOURCES.filter((path) => !(roomOf(path) in MAY_IMPORT))).toEqual([]);
  });

  test("imports follow the dependency direction", () => {
    const wrong = SOURCES.flatMap((path) => {
      const room = roomOf(path);
      return importsOf(path).flatMap((specifier) => {
        const target = targetRoom(path, specifier);
        const allowed = target === undefined || target === room || MAY_IMPORT[room]?.includes(target);
        return allowed ? [] : [`${path}: ${room} must not import ${target} (${specifier})`];
      });
    });
    expect(wrong).toEqual([]);
  });

  test("the journal alone knows SQLite, beside the lock, the local backend, the digests of data sets and stores of MLflow", () => {
    const users = SOURCES.filter((path) => importsOf(path).includes("node:sqlite")).map(roomOf);
    expect(
      [...new Set(users)].filter(
        (room) =>
          ![
            "daemon/journal",
            "daemon/lifecycle",
            "adapters/dvc",
            "adapters/local",
            "adapters/mlflow",
          ].includes(room),
      ),
    ).toEqual([]);
  });

  test("adapters know neither gRPC nor the journal", () => {
    const grpc = SOURCES.filter((path) => path.startsWith("adapters/")).filter((path) =>
      importsOf(path).some((specifier) => specifier.startsWith("@grpc/") || specifier === "@pipekit/proto"),
    );
    expect(grpc).toEqual([]);
  });
});
