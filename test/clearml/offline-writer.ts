/** Writes one session as delivery would, with the memo saved after each batch: `offline-writer.ts FOLDER RUN MEMO`. */

import { readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import type { AdapterMemo, SinkRecord, SinkRun } from "@pipekit/adapters/tracker";
import { CONTEXT, file, NEVER, point } from "./support.ts";

const BATCH = 250;
const POINTS = 6000;

const [folder = "", runJson = "", memoFile = ""] = process.argv.slice(2);
const run: SinkRun = JSON.parse(runJson);

interface Saved {
  readonly memo: AdapterMemo | undefined;
  readonly cursor: number;
}

function load(): Saved {
  try {
    return JSON.parse(readFileSync(memoFile, "utf8"));
  } catch {
    return { memo: undefined, cursor: 0 };
  }
}

function save(saved: Saved): void {
  writeFileSync(`${memoFile}.new`, JSON.stringify(saved));
  renameSync(`${memoFile}.new`, memoFile);
}

const adapter = clearmlTracker.connect(`clearml+offline://${join(folder, "out")}?project=demo`, CONTEXT);
let { memo, cursor } = load();
process.send?.("writing");
const open = await adapter.open(run, memo, NEVER);
if (open.status !== "ok") throw new Error(open.reason);
memo = open.memo;
save({ memo, cursor });
while (cursor < POINTS) {
  const first: SinkRecord[] = [
    { kind: "params", params: { lr: "0.1" } },
    {
      kind: "artifact",
      name: "big",
      uri: "",
      files: [file(folder, "src/big", Buffer.alloc(8_000_000, 1), "")],
    },
  ];
  const points = Array.from({ length: BATCH }, (_, index) => point("a", cursor + index, 1));
  const result = await adapter.send([...(cursor === 0 ? first : []), ...points], NEVER);
  if (result.status !== "ok") throw new Error(JSON.stringify(result));
  cursor += BATCH;
  memo = adapter.takeMemo() ?? memo;
  save({ memo, cursor });
}
process.send?.("ending");
const ended = await adapter.finish(
  { state: "completed", reason: "", endedAtUs: 1_770_000_000_000_000 },
  NEVER,
);
process.exit(ended.status === "ok" ? 0 : 1);
