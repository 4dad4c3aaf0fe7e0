/** Every failure by its code: what it is, in which class Python raises it, what to do. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { exitCodeOf } from "../../../daemon/cli/exit.ts";
import { type Page, ROOT } from "../stage.ts";
import { MENDS } from "./mends.ts";
import { generated, head, row } from "./page.ts";
import { readProtos } from "./protocol.ts";

const PREFIX = "ERROR_CODE_";

/** Class and built-in exceptions of each code, read from the Python client: `class RunEndedError(PipekitError, RuntimeError)`. */
function pythonClasses(): ReadonlyMap<string, { readonly name: string; readonly also: string }> {
  const source = readFileSync(join(ROOT, "clients/python/src/pipekit_experiment/_src/errors.py"), "utf8");
  const classes = source.matchAll(
    /^class (\w+)\(PipekitError(?:, (\w+))?\):(.*?)(?=^class |^\w|(?![\s\S]))/gms,
  );
  return new Map(
    [...classes].map(([, name = "", also = "", body = ""]) => [
      /^ {4}code = "(\w+)"/m.exec(body)?.[1] ?? "INTERNAL",
      { name, also },
    ]),
  );
}

/** The page of the failures. Throws for a code that has no class in Python. */
export function errorsPage(): Page {
  const file = readProtos().find(({ name }) => name.endsWith("/errors.proto"));
  const codes = file?.enumType?.find(({ name }) => name === "ErrorCode")?.value ?? [];
  const classes = pythonClasses();
  const lines = [
    "# Errors",
    "",
    "Every failure of a client is a `PipekitError` with a `code`, a sentence, the `field` at fault and a `mend`. Python raises a class for each",
    "code, which is a built-in exception too; TypeScript throws `PipekitError`; pkx prints it and ends with the exit code.",
    "",
  ];
  for (const [i, { name }] of codes.entries()) {
    if (name === `${PREFIX}UNSPECIFIED`) continue;
    const code = name.slice(PREFIX.length) as keyof typeof MENDS;
    const python = classes.get(code);
    if (python === undefined) throw new Error(`No class of errors.py has the code ${code}.`);
    const { status, meaning } = comment(file, i);
    lines.push(
      `## ${code}`,
      "",
      meaning,
      "",
      MENDS[code],
      "",
      ...head("Python", "also a", "gRPC status", "exit code of pkx"),
      row(
        `\`${python.name}\``,
        python.also && `\`${python.also}\``,
        `\`${status}\``,
        String(exitCodeOf(code)),
      ),
      "",
    );
  }
  return generated("errors.md", lines);
}

function comment(file: ReturnType<typeof readProtos>[number] | undefined, value: number) {
  const place = ["5", "0", "2", String(value)].join(".");
  const found = file?.sourceCodeInfo.location.find(({ path }) => path?.join(".") === place);
  const text = (found?.leadingComments ?? "").replace(/\s+/g, " ").trim();
  const [, status = "", meaning = ""] = /^([A-Z_]+)\. (.*)$/.exec(text) ?? [];
  if (meaning === "") throw new Error(`The comment of an error code is not "STATUS. Meaning.": ${text}`);
  return { status, meaning };
}
