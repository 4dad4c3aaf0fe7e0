/**
 * Writes the committed stubs from the .proto files: TypeScript by buf and ts-proto, Python by grpcio-tools.
 *
 * With --check, writes nothing and exits 1 when the committed stubs differ (the drift check of `npm test`).
 * The Python stubs are made by an old grpcio-tools on purpose: its output runs on protobuf 4 to 7, and trackers
 * pin protobuf differently.
 */
import { execFileSync } from "node:child_process";
import {
  cpSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "..");
const TS_OUT = join(ROOT, "proto/generated");
const PYTHON_OUT = join(ROOT, "clients/python/src/pipekit_experiment/_generated");
const TOOLS = join(ROOT, ".tools/protoc");
const GRPCIO_TOOLS = "grpcio-tools==1.62.3";

function installProtoc(): void {
  if (existsSync(join(TOOLS, "grpc_tools"))) return;
  const pip = ["-m", "pip", "install", "-q", "--disable-pip-version-check", "--target", TOOLS];
  execFileSync("python3", [...pip, GRPCIO_TOOLS, "setuptools<70"], {
    stdio: ["ignore", "ignore", "inherit"],
  });
}

function generateTypeScript(out: string): void {
  const bin = join(ROOT, "node_modules/.bin");
  execFileSync(join(bin, "buf"), ["generate", "-o", out], {
    cwd: ROOT,
    stdio: "inherit",
    env: { ...process.env, PATH: `${bin}:${process.env["PATH"]}` },
  });
}

function generatePython(out: string): void {
  installProtoc();
  const raw = mkdtempSync(join(tmpdir(), "pkx-stubs-"));
  const protos = readdirSync(join(ROOT, "proto/pipekit/experiment/v1")).map(
    (f) => `pipekit/experiment/v1/${f}`,
  );
  const outs = [`--python_out=${raw}`, `--pyi_out=${raw}`, `--grpc_python_out=${raw}`];
  execFileSync("python3", ["-m", "grpc_tools.protoc", "-I", join(ROOT, "proto"), ...outs, ...protos], {
    stdio: "inherit",
    env: { ...process.env, PYTHONPATH: TOOLS },
  });
  mkdirSync(out, { recursive: true });
  const from = join(raw, "pipekit/experiment/v1");
  for (const file of readdirSync(from)) {
    // protoc names Python modules by proto package, and `pipekit` is another Python package's name.
    const text = readFileSync(join(from, file), "utf8").replaceAll(
      "from pipekit.experiment.v1 import",
      "from . import",
    );
    writeFileSync(join(out, file), text);
  }
  writeFileSync(
    join(out, "__init__.py"),
    '"""Generated from proto/ by `npm run generate`. Do not edit."""\n',
  );
  rmSync(raw, { recursive: true });
}

/** Relative path to content of every generated file in a folder. */
function snapshot(folder: string): Map<string, string> {
  const files = readdirSync(folder, { recursive: true, withFileTypes: true }).filter(
    (entry) => entry.isFile() && !entry.parentPath.includes("__pycache__"),
  );
  return new Map(
    files.map((entry) => {
      const path = join(entry.parentPath, entry.name);
      return [path.slice(folder.length), readFileSync(path, "utf8")];
    }),
  );
}

function drift(committed: string, fresh: string): string[] {
  const [a, b] = [snapshot(committed), snapshot(fresh)];
  return [...new Set([...a.keys(), ...b.keys()])].filter((path) => a.get(path) !== b.get(path));
}

const work = mkdtempSync(join(tmpdir(), "pkx-generate-"));
try {
  generateTypeScript(work);
  generatePython(join(work, "python"));
  const freshTs = join(work, "proto/generated");
  const freshPython = join(work, "python");
  if (process.argv.includes("--check")) {
    const stale = [...drift(TS_OUT, freshTs), ...drift(PYTHON_OUT, freshPython)];
    if (stale.length > 0) {
      console.error(`Generated code is stale, run \`npm run generate\`: ${stale.join(", ")}`);
      process.exitCode = 1;
    }
  } else {
    for (const [fresh, committed] of [
      [freshTs, TS_OUT],
      [freshPython, PYTHON_OUT],
    ] as const) {
      rmSync(committed, { recursive: true, force: true });
      cpSync(fresh, committed, { recursive: true });
    }
  }
} finally {
  rmSync(work, { recursive: true });
}
