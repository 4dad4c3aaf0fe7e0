/** Every block of Python and shell in the documentation, run as it stands there; only ./stand-ins.ts differs. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { CreateBucketCommand, S3Client } from "@aws-sdk/client-s3";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { ADMIN, type S3Server, startSeaweed } from "../support/seaweed.ts";
import { type Block, blocksOf, markdownFiles } from "./markdown.ts";
import { Player } from "./player.ts";
import { whyNotRun } from "./programs.ts";
import { PLAYED_ELSEWHERE } from "./stand-ins.ts";

/** How many blocks of a page cannot be run. One more has to be told here. */
const NOT_RUN: Readonly<Record<string, number>> = {
  "CONTRIBUTING.md": 1,
  "README.md": 2,
  "docs/artifacts.md": 1,
  "docs/editor.md": 1,
  "docs/index.md": 1,
  "docs/quickstart/jax.md": 1,
  "docs/quickstart/keras.md": 1,
  "docs/quickstart/lightning.md": 1,
  "docs/quickstart/plain.md": 1,
  "docs/quickstart/sklearn.md": 1,
  "docs/quickstart/typescript.md": 1,
};

const RUN = ["python", "sh"];
const PAGE_MS = 120_000;

const pages = markdownFiles()
  .map((page) => ({ page, blocks: blocksOf(page) }))
  .filter(({ page, blocks }) => !PLAYED_ELSEWHERE.has(page) && blocks.some(isRun));

function isRun(block: Block): boolean {
  return (RUN.includes(block.language) || block.file !== "") && whyNotRun(block) === "";
}

let s3: S3Server;
let player: Player;
let buckets: S3Client;
const home = mkdtempSync(join(tmpdir(), "pkx-"));

beforeAll(async () => {
  s3 = await startSeaweed();
  buckets = new S3Client({
    ...{ endpoint: s3.endpoint, region: "us-east-1", forcePathStyle: true },
    credentials: { accessKeyId: ADMIN.accessKey, secretAccessKey: ADMIN.secretKey },
  });
  player = new Player(home, s3.endpoint, s3.env(), async (name) => {
    await buckets.send(new CreateBucketCommand({ Bucket: name }));
  });
}, 120_000);

afterAll(async () => {
  await player.close();
  buckets.destroy();
  await s3.stop();
  rmSync(home, { recursive: true, force: true });
});

describe.concurrent("pages", { timeout: PAGE_MS }, () => {
  for (const { page, blocks } of pages) {
    test(page, async () => {
      const { printed } = await player.play(page, blocks);
      for (const [i, block] of blocks.entries()) {
        const expected = blocks[i + 1];
        if (!printed.has(block) || expected?.language !== "text" || expected.notRun !== "") continue;
        expect(printed.get(block), `${page}:${expected.line}`).toMatch(asPattern(expected.code));
      }
    });
  }
});

test("a block that cannot run says why, and no more of them come unnoticed", () => {
  const marked = markdownFiles()
    .filter((page) => !PLAYED_ELSEWHERE.has(page))
    .flatMap((page) => blocksOf(page))
    .filter((block) => whyNotRun(block) !== "");
  console.log(marked.map((block) => `not run  ${block.page}:${block.line}  ${whyNotRun(block)}`).join("\n"));
  const counts = Object.groupBy(marked, ({ page }) => page);
  const found = Object.entries(counts).map(([page, blocks]) => [page, blocks?.length]);
  expect(Object.fromEntries(found)).toEqual(NOT_RUN);
});

/** What a page says a block prints: `...` stands for anything in a line, or as a line of its own for any lines. */
function asPattern(text: string): RegExp {
  const lines = text.trimEnd().split("\n");
  const source = lines
    .map((line, i) => {
      if (line.trim() === "...") return i === lines.length - 1 ? "[^]*" : "(?:.*\n)*?";
      const words = line.split("...").map((part) => escaped(part.trim()).replace(/ +/g, "\\s+"));
      const end = i === lines.length - 1 ? "\\s*" : "\\s*\n";
      return `\\s*${words.join("[^\\n]*")}${end}`;
    })
    .join("");
  return new RegExp(`^\\s*${source}$`);
}

function escaped(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|/]/g, "\\$&");
}
