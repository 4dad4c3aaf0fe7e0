/** The language server at 10,000 runs and 1,000 models, in a file of 10,000 lines. */
import { setTimeout as delay } from "node:timers/promises";
import type { Diagnostic } from "vscode-languageserver/node";
import { z } from "zod";
import { TestEditor } from "../../support/editor-client.ts";
import { residentBytes } from "../machine.ts";
import type { Figure } from "../report.ts";
import { type EditorPlace, MODELS, PKX, RUNS } from "./place.ts";
import { figureOf, timed } from "./timing.ts";

const LINES = 10_000;
const CALLS = 300;
const KEYSTROKES = 30;
/** A person who looks around, milliseconds. */
const LOOKED_MS = 500;
const LOOKS = 40;
const GOAL_MS = 10;
const URI = "file:///bench/train.py";
const SIZE = `${RUNS.toLocaleString("en-US")} runs, ${MODELS.toLocaleString("en-US")} models, ${LINES.toLocaleString("en-US")} lines`;

/** A file that names a tag, a model or a run on each tenth line. */
function file({ models, runs }: EditorPlace): { text: string; lines: readonly number[] } {
  const lines: number[] = [];
  const text = Array.from({ length: LINES }, (_, line) => {
    if (line % 10 !== 5) return `value_${line} = compute(value_${Math.max(0, line - 1)}, ${line})`;
    lines.push(line);
    const names = ["production", models[line % models.length] ?? "", runs[line % runs.length] ?? ""];
    const name = names[((line / 5) % 3) | 0] ?? "";
    return name.length === 26 ? `run = pe.join_run("${name}")` : `model = registry.load("${name}")`;
  });
  return {
    text: ["import pipekit_experiment as pe", "registry = pe.Registry()", ...text.slice(2)].join("\n"),
    lines,
  };
}

export async function serverFigures(place: EditorPlace): Promise<Figure[]> {
  await using editor = new TestEditor({ env: place.env, script: PKX });
  await editor.initialize({ workspaceFolders: [{ uri: "file:///bench", name: "bench" }] });
  const { text, lines } = file(place);
  await editor.open(URI, "python", text);
  await editor.told("textDocument/publishDiagnostics");
  const at = (call: number) => {
    const line = lines[(call * 37) % lines.length] ?? 0;
    const character = text.split("\n", line + 1)[line]?.indexOf('"') ?? 0;
    return { textDocument: { uri: URI }, position: { line, character: character + 3 } };
  };
  const places = Array.from({ length: CALLS }, (_, call) => at(call));
  const found = z.union([
    z.object({ contents: z.unknown() }),
    z.object({ items: z.array(z.unknown()).min(1) }),
  ]);
  const ask = async (method: string, params: unknown) => found.parse(await editor.request(method, params));
  // The indexes are filled by the first questions: of a tag, of a run, of a model.
  for (const kind of places.slice(0, 6)) {
    for (const method of ["textDocument/hover", "textDocument/completion"]) {
      while (!found.safeParse(await editor.request(method, kind)).success) await delay(50);
    }
  }
  const hover = await timed(places, (params) => ask("textDocument/hover", params));
  const completion = await timed(places, (params) => ask("textDocument/completion", params));
  const looked: number[] = [];
  for (const params of places.slice(0, LOOKS)) {
    await delay(LOOKED_MS);
    looked.push(...(await timed([params], () => ask("textDocument/hover", params))));
  }
  let version = 1;
  const type = async () => {
    const start = { line: LINES / 2, character: 0 };
    await editor.change(URI, ++version, { range: { start, end: start }, text: "#" });
  };
  const typed = await timed(places.slice(0, LOOKS), async (params) => {
    await type();
    return ask("textDocument/completion", params);
  });
  const keystrokes = await timed(Array.from({ length: KEYSTROKES }), async () => {
    await type();
    await editor.told<{ version: number; diagnostics: Diagnostic[] }>(
      "textDocument/publishDiagnostics",
      (told) => told.version === version,
    );
  });
  const memory = residentBytes(editor.child.pid ?? 0) / 2 ** 20;
  return [
    figureOf(`hover, ${SIZE}, p50 / p99`, hover, `p50 <= ${GOAL_MS} ms`, GOAL_MS),
    figureOf(`completion, ${SIZE}, p50 / p99`, completion, `p50 <= ${GOAL_MS} ms`, GOAL_MS),
    figureOf(
      `hover, ${LOOKED_MS / 1000} s after the last, p50 / p99`,
      looked,
      `p50 <= ${GOAL_MS} ms`,
      GOAL_MS,
    ),
    figureOf("completion right after a keystroke, p50 / p99", typed, `p50 <= ${GOAL_MS} ms`, GOAL_MS),
    figureOf("diagnostics after a keystroke (its pause included), p50 / p99", keystrokes),
    {
      name: `memory of pkx lsp, ${SIZE}`,
      ours: `${memory.toFixed(0)} MiB`,
      peer: "",
      ratio: "",
      goal: "",
      met: undefined,
    },
  ];
}
