import { ConfigFault } from "@pipekit/adapters/config";
import { hydraReader, parseConfig } from "@pipekit/adapters/hydra";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { config, sound, tokens } from "./generated-configs.ts";

const parse = (text: string) => parseConfig({ text, env: {}, hydraJson: "" });
const codes = (text: string) => [...new Set(parse(text).problems.map(({ code }) => code))];
const never = new AbortController().signal;

describe("limits", () => {
  const doubled = (line: (i: number) => string, first: string) =>
    [first, ...Array.from({ length: 60 }, (_, i) => line(i + 1))].join("\n");

  test.each([
    ["aliases that double", doubled((i) => `x${i}: &x${i} [*x${i - 1}, *x${i - 1}]`, "x0: &x0 [1]")],
    ["merges that double", doubled((i) => `x${i}: &x${i} {<<: [*x${i - 1}, *x${i - 1}]}`, "x0: &x0 {}")],
    ["texts that double", doubled((i) => `x${i}: \${x${i - 1}}\${x${i - 1}}`, "x0: a")],
    ["containers that double", doubled((i) => `x${i}: ['\${x${i - 1}}', '\${x${i - 1}}']`, "x0: [1]")],
    [
      "plain lists that double",
      doubled((i) => `x${i}: '\${oc.decode:"[\${x${i - 1}},\${x${i - 1}}]"}'`, "x0: a"),
    ],
    [
      "configs made by resolvers",
      doubled((i) => `x${i}: '\${oc.create:[\${x${i - 1}},\${x${i - 1}}]}'`, "x0: [a]"),
    ],
    ["brackets", `a: ${"[".repeat(3000)}${"]".repeat(3000)}`],
    ["many nodes", `a: [${"1,".repeat(120_000)}1]`],
  ])("%s end in a problem", async (_name, text) => {
    const { problems } = await hydraReader.parse({ text, env: {}, hydraJson: "" }, never);
    const found = problems.map(({ code }) => code);
    expect(found.some((code) => ["limit", "interpolation", "syntax"].includes(code))).toBe(true);
  });

  test("nested interpolations and chains end in a problem", () => {
    expect(codes(`a: ${"${".repeat(500)}x${"}".repeat(500)}`)).toEqual(["interpolation"]);
    const chain = Array.from({ length: 400 }, (_, i) => `x${i}: \${x${i + 1}}`).join("\n");
    expect(codes(`${chain}\nx400: 1`)).toEqual(["interpolation"]);
  });

  test("a text beyond 4 MiB is refused, and a large one is read beside the daemon's own thread", async () => {
    const text = Array.from({ length: 4000 }, (_, i) => `key_${i}: \${key_0}`)
      .join("\n")
      .replace("${key_0}", "1");
    const { resolvedJson, problems } = await hydraReader.parse({ text, env: {}, hydraJson: "" }, never);
    expect([problems, JSON.parse(resolvedJson).key_3999]).toEqual([[], 1]);
    const large = { text: "#".repeat(4 * 1024 * 1024 + 1), env: {}, hydraJson: "" };
    await expect(hydraReader.parse(large, never)).rejects.toThrow(ConfigFault);
    const aborted = AbortSignal.abort(new Error("enough"));
    await expect(hydraReader.parse({ text, env: {}, hydraJson: "" }, aborted)).rejects.toThrow("enough");
  });
});

test.each([
  ["a small text", `a: [${"1, ".repeat(1000)}1]`, 0],
  ["a small text of many nodes", `a: [${"1,".repeat(6000)}1]`, 1],
  ["a large text", `a: ${"x".repeat(40_000)}`, 1],
])("%s takes its number of threads", async (_name, text, wanted) => {
  let threads = 0;
  const count = (): void => {
    threads++;
  };
  process.on("worker", count);
  const { problems } = await hydraReader.parse({ text, env: {}, hydraJson: "" }, never);
  process.off("worker", count);
  expect([threads, problems]).toEqual([wanted, []]);
});

describe("whatever the text", () => {
  /** All that a caller relies on. */
  function check(text: string): void {
    const { resolvedJson, nodes, problems } = parse(text);
    JSON.parse(resolvedJson);
    for (const { resolvedJson: json } of nodes) if (json !== "") JSON.parse(json);
    for (const { message, mend, code } of problems)
      expect([message, mend, code].every((part) => part !== "")).toBe(true);
    const starts = problems.map(({ range }) => range.start.line * 1e6 + range.start.character);
    expect(starts).toEqual([...starts].sort((a, b) => a - b));
    expect(nodes[0]?.path ?? "").toBe("");
  }

  const yaml = fc
    .array(
      fc.constantFrom(
        ..."a b : - ? [ ] { } , & * ! | > ' \" % @ ` # << *x &x ${a} ??? ~ 1 !!str --- ... \\".split(" "),
        " ",
        "\n",
        "\n  ",
        "\t",
        ": ",
      ),
      { maxLength: 30 },
    )
    .map((parts) => parts.join(""));

  test("YAML's signs in any order", () => fc.assert(fc.property(yaml, check), { numRuns: 1500 }));
  test("any text", () =>
    fc.assert(fc.property(fc.string({ unit: "binary", maxLength: 60 }), check), { numRuns: 500 }));
  test("any bytes", () =>
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 80 }), (bytes) => check(Buffer.from(bytes).toString("utf8"))),
      { numRuns: 500 },
    ));
  test("configs with interpolations, cut anywhere", () =>
    fc.assert(
      fc.property(fc.oneof(config, sound, tokens), fc.nat(), (text, at) => {
        check(text);
        check(text.slice(0, at % (text.length + 1)));
      }),
      { numRuns: 300 },
    ));
});
