import { expect, test } from "vitest";
import { node, ROOT } from "./demo/processes.ts";

test("the demo keeps what it promises, from training to the tag's history", {
  timeout: 300_000,
}, async () => {
  const shown = await node("test/e2e/demo/main.ts", [], {
    ...process.env,
    PKX_DEMO_HOME: `${ROOT}/.demo-test`,
  });
  for (const promise of [
    "the training process imported no tracker",
    ...["MLflow", "W&B", "TensorBoard", "ClearML"].map((tool) => `${tool} shows all `),
    "MLflow shows the run as finished",
    "`production` is that model for a second Python process",
    "`production` is that model for a TypeScript process",
  ]) {
    expect(shown).toContain(promise);
  }
  expect(shown).toMatch(/hash [0-9a-f]{64}/);
  expect(shown).toMatch(/train\/loss/);
});
