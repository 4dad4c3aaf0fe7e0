/** The tool that golden state folders were written for, where they know it. */
import { answer } from "../support/fake-http.ts";
import { type FakeMlflow, type FakeMlflowRun, startFakeMlflow } from "../support/fake-mlflow.ts";

/** An address of loopback that nobody else asks for: the folders hold it. */
const PLACE = { address: "127.83.0.1", port: 5083 };

export const SINK = `mlflow+http://${PLACE.address}:${PLACE.port}/golden`;

/** Refuses points of the key `refused` for good. `before` is what it holds already. */
export async function startTool(before: readonly FakeMlflowRun[] = []): Promise<FakeMlflow> {
  const tool = await startFakeMlflow(PLACE, before);
  tool.misbehave(({ path, body }) => {
    if (path.includes("runs/get")) return answer(200, { run: { info: { lifecycle_stage: "active" } } });
    const refused = path.includes("log-batch") && body.includes('"refused"');
    return refused ? answer(400, { error_code: "INVALID_PARAMETER_VALUE", message: "Not this." }) : undefined;
  });
  return tool;
}
