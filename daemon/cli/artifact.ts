/** `pkx artifact show` and `verify`. No daemon is asked: the file says it all. */
import { type Command, Option } from "commander";
import { counted } from "../format.ts";
import { type Artifact, type InferenceBody, readArtifact, type TrainingBody } from "./artifact-file.ts";
import type { Commands, Context } from "./context.ts";
import { pairs, plain } from "./terminal.ts";

interface ShowSettings {
  readonly print?: "pipeline" | "lock" | "diff";
}

export function addArtifactCommands(program: Command, commands: Commands): void {
  const artifact = program.command("artifact").description("records of trainings and of inference pipelines");
  const show = artifact
    .command("show")
    .description("verify an artifact's file and show what it records")
    .argument("<file>", "that TrainingArtifact.save or InferenceArtifact.save has written")
    .addOption(
      new Option("--print <part>", "print one part as it was recorded, and nothing else").choices([
        "pipeline",
        "lock",
        "diff",
      ]),
    );
  commands.define<ShowSettings>(show, {
    examples:
      "pkx artifact show methane.training.artifact\npkx artifact show a.artifact --print lock > uv.lock",
    starts: false,
    run: showArtifact,
  });
  const verify = artifact
    .command("verify")
    .description("recompute the digest of an artifact's file; exits 6 when a byte of it has changed")
    .argument("<file>", "that TrainingArtifact.save or InferenceArtifact.save has written");
  commands.define(verify, {
    examples: "pkx artifact verify methane.training.artifact",
    starts: false,
    run: async (context, [file = ""]) => {
      const { format, version, digest } = await readArtifact(file);
      context.print({ file, format, version, digest, sound: true }, () => [`${file} is sound.`]);
      return undefined;
    },
  });
}

async function showArtifact(
  context: Context,
  [file = ""]: readonly string[],
  { print }: ShowSettings,
): Promise<undefined> {
  const artifact = await readArtifact(file);
  if (print !== undefined) context.terminal.out(partOf(artifact, print));
  else context.print({ file, ...artifact }, () => linesOf(artifact));
}

/** A recorded text, byte for byte: it may be meant for a file. */
function partOf({ body }: Artifact, part: "pipeline" | "lock" | "diff"): string {
  if (part === "lock") return body.deps_lock;
  if (part === "diff") return textAt(body.metadata, "git", "diff");
  return "pipeline_yaml" in body ? body.pipeline_yaml : body.training_pipeline_yaml;
}

function linesOf({ format, version, digest, body }: Artifact): string[] {
  const { backend_info: backend, metadata } = body;
  const pipeline = "pipeline_yaml" in body ? body.pipeline_yaml : body.training_pipeline_yaml;
  const entries: [string, string][] = [
    ["format", `${format}, version ${version}`],
    ["digest", digest],
    ...("pipeline_yaml" in body ? pinsOf(body) : trainingOf(body)),
    ["registry", body.model_registry_uri || "the one in the daemon's state folder"],
    ["captured", textAt(metadata, "captured_at")],
    ["backend", textAt(backend, "backend")],
    ["python", textAt(backend, "python")],
    ["system", [textAt(backend, "system"), textAt(backend, "cpu")].filter((part) => part !== "").join(", ")],
    [
      "gpus",
      listAt(backend, "gpus")
        .map((gpu) => textAt(gpu, "name"))
        .join(", "),
    ],
    ["packages", countOf(backend["packages"], "version")],
    ["lock", lockOf(body)],
    ["commit", commitOf(metadata)],
    ["seed", textAt(metadata, "seed")],
    ["command", listAt(metadata, "command").map(String).join(" ")],
    ["author", textAt(metadata, "author")],
    [
      "pipeline",
      `${pipeline.split("\n").length - (pipeline.endsWith("\n") ? 1 : 0)} lines: --print pipeline`,
    ],
  ];
  return pairs(entries.filter(([, value]) => value !== ""));
}

function trainingOf(body: TrainingBody): [string, string][] {
  return [
    ["model", body.trained_model_hash || "none"],
    ["data set", body.dataset_hash || "none"],
    ["run", body.tracker_run_id ?? ""],
  ];
}

function pinsOf({ pinned_model_hashes: pins }: InferenceBody): [string, string][] {
  const entries = Object.entries(pins);
  if (entries.length === 0) return [["models", "none"]];
  return entries.map(([path, hash]) => ["model", `${hash}  ${plain(path) || "the pipeline itself"}`]);
}

function lockOf({ deps_lock: lock, metadata }: TrainingBody | InferenceBody): string {
  if (lock === "") return "";
  return [textAt(metadata, "lock", "file"), `${lock.split("\n").length} lines: --print lock`]
    .filter((part) => part !== "")
    .join(", ");
}

function commitOf(metadata: { readonly [name: string]: unknown }): string {
  const commit = textAt(metadata, "git", "commit");
  if (commit === "") return "";
  const dirty = textAt(metadata, "git", "dirty") === "true";
  return dirty ? `${commit}, with changes: --print diff` : commit;
}

/** A scalar as text; empty when there is none at the path. */
function textAt(value: unknown, ...path: readonly string[]): string {
  const found = path.reduce<unknown>(
    (at, name) => (typeof at === "object" && at !== null ? Reflect.get(at, name) : undefined),
    value,
  );
  return ["string", "number", "boolean"].includes(typeof found) ? String(found) : "";
}

function listAt(value: { readonly [name: string]: unknown }, name: string): readonly unknown[] {
  const found = value[name];
  return Array.isArray(found) ? found : [];
}

function countOf(value: unknown, what: string): string {
  const number = typeof value === "object" && value !== null ? Object.keys(value).length : 0;
  return number === 0 ? "" : counted(number, what);
}
