/** docs/editor-protocol.md describes all of proto/editor.ts. */
import { readFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { EDITOR_PARAMS, EDITOR_PROTOCOL } from "@pipekit/proto/editor";
import { expect, test } from "vitest";
import { DEFAULT_SETTINGS } from "../../daemon/editor/settings.ts";
import { LSP_ERRORS } from "../../daemon/editor/wire/failure.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TEXT = readFileSync(join(ROOT, "docs/editor-protocol.md"), "utf8");
const SOURCE = readFileSync(join(ROOT, "proto/editor.ts"), "utf8");

/** The section below a heading, up to the next heading. */
function section(heading: string): string {
  const start = TEXT.indexOf(`\n### ${heading}\n`);
  expect(start, `a section ${heading}`).toBeGreaterThan(0);
  const end = TEXT.indexOf("\n#", start + 2);
  return TEXT.slice(start, end < 0 ? undefined : end);
}

/** Names of the fields at the top of a block of TypeScript. */
function fields(block: string): string[] {
  return [...block.matchAll(/^(?: {2}| {4})readonly (\w+)\??:/gm)].map(([, name = ""]) => name);
}

/** Whether a name stands in a text as code, by itself or in a list. */
const names = (text: string) =>
  new Set([...text.matchAll(/`([^`]+)`/g)].flatMap(([, code = ""]) => code.match(/\w+/g) ?? []));

test.each(Object.keys(EDITOR_PARAMS) as (keyof typeof EDITOR_PARAMS)[])(
  "%s, its params and its result",
  (method) => {
    const known = names(section(`\`${method}\``));
    expect(Object.keys(EDITOR_PARAMS[method].shape).filter((name) => !known.has(name))).toEqual([]);
    const results = SOURCE.slice(
      SOURCE.indexOf("export interface EditorResults"),
      SOURCE.indexOf("export interface EditorNotifications"),
    );
    const start = results.indexOf(`"${method}":`);
    const next = results.indexOf('\n  "pipekit/', start);
    const result = results.slice(start, next < 0 ? undefined : next);
    const wanted = [...result.matchAll(/readonly (\w+)\??:/g)].map(([, name = ""]) => name);
    expect(wanted.filter((name) => !known.has(name))).toEqual([]);
  },
);

test("every notification, with its params", () => {
  const block = SOURCE.slice(
    SOURCE.indexOf("export interface EditorNotifications"),
    SOURCE.indexOf("export type EditorNotification "),
  );
  const found = [...block.matchAll(/"(pipekit\/\w+)":([\s\S]*?)(?=\n {2}(?:\/\*\*|")|\n\})/g)];
  expect(found.length).toBeGreaterThanOrEqual(4);
  for (const [, method, params = ""] of found) {
    const known = names(section(`\`${method}\``));
    const wanted = [...params.matchAll(/readonly (\w+)\??:/g)].map(([, name = ""]) => name);
    expect(
      wanted.filter((name) => !known.has(name)),
      method,
    ).toEqual([]);
  }
});

test("every document, with its fields", () => {
  const documents = [
    ...SOURCE.matchAll(/export interface (\w+(?:Document|Brief|Points|Failure))[^{]*\{([\s\S]*?)\n\}/g),
  ];
  expect(documents.length).toBeGreaterThanOrEqual(10);
  for (const [, name = "", block = ""] of documents) {
    const text =
      name === "EditorFailure"
        ? TEXT.slice(TEXT.indexOf("## Failures"), TEXT.indexOf("## Requests"))
        : section(name);
    const known = names(text);
    expect(
      fields(block).filter((field) => !known.has(field)),
      name,
    ).toEqual([]);
  }
});

test("version, settings and error codes", () => {
  expect(TEXT).toContain(`\`editorProtocol\` is ${EDITOR_PROTOCOL}.`);
  for (const [name, value] of Object.entries(DEFAULT_SETTINGS)) {
    expect(TEXT).toContain(`| \`${name}\` | \`${JSON.stringify(value)}\` |`);
  }
  for (const code of Object.values(LSP_ERRORS)) expect(TEXT).toContain(`| ${code} |`);
});
