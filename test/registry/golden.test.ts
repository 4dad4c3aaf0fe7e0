/** Model ids never change: each vector is an id that some registry out there may hold. */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, test } from "vitest";
import { inProcess, never, newModel, sha256, streamOf } from "../contract/registry-harness.ts";

interface Vector {
  readonly name: string;
  readonly operator: string;
  readonly training_config: string | null;
  readonly dataset: string;
  readonly weights: string | null;
  readonly manifest: string;
  readonly hash: string;
}

const file = await readFile(join(import.meta.dirname, "../golden/model-ids.json"), "utf8");
const { cases }: { cases: Vector[] } = JSON.parse(file);

test.each(cases)("the id of: $name", async (vector) => {
  const fixture = await inProcess();
  try {
    const { model } = await fixture.registry.store(
      newModel({
        operatorJson: vector.operator,
        trainingConfigJson: vector.training_config ?? "",
        datasetHash: vector.dataset,
        weights: vector.weights === null ? undefined : streamOf(vector.weights),
      }),
      never,
    );
    expect(model.manifest).toBe(vector.manifest);
    expect(model.hash).toBe(vector.hash);
    expect(sha256(vector.manifest)).toBe(vector.hash);
    expect(await fixture.registry.verify([], never)[Symbol.asyncIterator]().next()).toMatchObject({
      value: { hash: vector.hash, problems: [] },
    });
  } finally {
    await fixture.close();
  }
});

test("the vectors tell apart what must differ", () => {
  const hashOf = (name: string) => cases.find((entry) => entry.name.startsWith(name))?.hash;
  expect(cases.length).toBeGreaterThanOrEqual(6);
  expect(hashOf("integer 1")).toBe(hashOf("float 1.0"));
  expect(hashOf("all parts")).toBe(hashOf("keys in another order"));
  expect(hashOf("no weights")).not.toBe(hashOf("empty weights"));
});
