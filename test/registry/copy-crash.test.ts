/** Processes that are killed in the middle of a copy or an import. */
import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout } from "node:timers/promises";
import { afterEach, beforeEach, expect, test } from "vitest";
import { COPY, historyOf, told } from "../contract/registry-copy.ts";
import {
  inProcess,
  move,
  never,
  newModel,
  type RegistryFixture,
  registriesOn,
  streamOf,
} from "../contract/registry-harness.ts";

const MODELS = 30;
let fixture: RegistryFixture;
const children: ChildProcess[] = [];

beforeEach(async () => {
  fixture = await inProcess();
  for (let i = 0; i < MODELS; i++) {
    const weights = streamOf(Buffer.alloc(400_000, `${i} `));
    await fixture.registry.store(
      newModel({ weights, name: "latest", force: true, previewJson: "[1]" }),
      never,
    );
    await fixture.registry.tag(move(`m${i % 5}`, "latest", { force: true }), never);
  }
});
afterEach(async () => {
  for (const child of children.splice(0)) child.kill("SIGKILL");
  await fixture.close();
});

test.each(["copy", "import"] as const)(
  "%s killed again and again gets there",
  { timeout: 120_000 },
  async (task) => {
    const { registry, root, scratch, staging } = fixture;
    const archive = join(scratch, "models.tar");
    await told(registry.exportTo(archive, { refs: [], withoutTags: false, overwrite: false }, never));
    const into = join(scratch, "target");
    const reported = new Set<string>();
    let kills = 0;
    for (let round = 0; ; round++) {
      const script = join(import.meta.dirname, "../support/copy-worker.ts");
      const from = task === "copy" ? root : archive;
      const args = ["--disable-warning=ExperimentalWarning", script, task, from, into, staging];
      const child = spawn(process.execPath, args, { stdio: ["ignore", "pipe", "inherit"] });
      children.push(child);
      const closed = once(child, "close");
      const lines: string[] = [];
      child.stdout.on("data", (data: Buffer) => lines.push(...data.toString().split("\n").filter(Boolean)));
      while (!lines.includes("ready")) await once(child.stdout, "data");
      // Later each time, so that it ends in the end.
      await Promise.race([closed, setTimeout(30 + round * 60 + Math.random() * 60)]);
      child.kill("SIGKILL");
      const [code] = await closed;
      for (const line of lines) if (line !== "ready") reported.add(line);

      const target = await registriesOn(into, staging).open("");
      const { models } = await target.list({ pageSize: 1000, pageToken: "", metadataFilterJson: "" }, never);
      const visible = new Set(models.map(({ hash }) => hash));
      for (const hash of reported) expect(visible).toContain(hash);
      for await (const { problems } of target.verify([], never)) {
        for (const problem of problems)
          expect(problem).toMatch(/history of a tag that is not there|was cut off/);
      }
      if (code === 0) break;
      kills += 1;
    }
    expect(kills).toBeGreaterThan(0);
    const target = await registriesOn(into, staging).open("");
    const { summary } = await told(registry.copyTo(target, COPY, never));
    expect(summary).toEqual({ models: MODELS, created: 0, bytes: 0, tags: 6, problems: 0 });
    for (const name of ["latest", "m0", "m4"]) {
      expect(await historyOf(target, name)).toEqual(await historyOf(registry, name));
    }
    for await (const { problems } of target.verify([], never)) expect(problems).toEqual([]);
  },
);
