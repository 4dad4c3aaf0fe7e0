/** Features over a fake view, and files as an editor has them open. */
import { onTestFinished } from "vitest";
import type { Position, Range } from "vscode-languageserver/node";
import { TextDocument } from "vscode-languageserver-textdocument";
import {
  createFeatures,
  type EditorSettings,
  type FeatureContext,
  type Features,
  type OpenFile,
} from "../../daemon/editor/features/index.ts";
import { languageOf, openSource } from "../../daemon/editor/references/index.ts";
import { FakeView, NOW } from "./fake-view.ts";

export interface Bench {
  readonly view: FakeView;
  readonly features: Features;
  /** What the person was asked. */
  readonly questions: { readonly message: string; readonly choices: readonly string[] }[];
  /** What the person was told: `level: message`. */
  readonly told: string[];
  /** Titles that the person chooses, one after another. */
  readonly chosen: string[];
  /** How often it was said that answers may be other ones now. */
  changes(): number;
}

export const never = new AbortController().signal;

export function bench(settings: Partial<EditorSettings> = {}, more: Partial<FeatureContext> = {}): Bench {
  const view = new FakeView();
  const questions: { message: string; choices: readonly string[] }[] = [];
  const told: string[] = [];
  const chosen: string[] = [];
  let changes = 0;
  const context: FeatureContext = {
    view,
    settings: {
      registry: "",
      inlayHints: true,
      codeLens: true,
      diagnostics: true,
      pythonPath: [],
      ...settings,
    },
    workspaceFolders: [],
    env: {},
    ask(message, choices) {
      questions.push({ message, choices });
      return Promise.resolve(chosen.shift());
    },
    tell: (level, message) => told.push(`${level}: ${message}`),
    changed() {
      changes += 1;
    },
    now: () => NOW,
    ...more,
  };
  const features = createFeatures(context, { check: async () => [] });
  onTestFinished(() => features.close());
  return { view, features, questions, told, chosen, changes: () => changes };
}

/** A file; `|` in the text is taken out, and stands for the cursor. */
export function file(languageId: string, marked: string, writtenAtUs?: number): OpenFile & { at: Position } {
  const cursor = marked.indexOf("|");
  const text = cursor < 0 ? marked : marked.slice(0, cursor) + marked.slice(cursor + 1);
  const document = TextDocument.create("file:///work/train", languageId, 1, text);
  const language = languageOf(languageId);
  return {
    uri: document.uri,
    languageId,
    version: 1,
    document,
    source: language && openSource(language, text),
    writtenAtUs: async () => writtenAtUs,
    at: document.positionAt(Math.max(0, cursor)),
  };
}

export function whole({ document }: OpenFile): Range {
  return { start: { line: 0, character: 0 }, end: document.positionAt(document.getText().length) };
}
