import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, test } from "vitest";
import { Gpus } from "../../daemon/system/gpus.ts";

let home: string;
let warned: object[];

beforeEach(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  warned = [];
});

afterEach(() => rmSync(home, { recursive: true, force: true }));

/** A stand-in for nvidia-smi: notes how it was called, then runs these lines of shell. */
function tool(script: string): string {
  const path = join(home, "nvidia-smi");
  writeFileSync(path, `#!/bin/sh\necho "$$ $*" >> ${home}/calls\n${script}\n`);
  chmodSync(path, 0o755);
  return path;
}

function calls(): string[] {
  const file = join(home, "calls");
  return existsSync(file) ? readFileSync(file, "utf8").trim().split("\n") : [];
}

function gpusOf(command: string, patienceMs = 10_000): Gpus {
  return new Gpus({ warn: (fields) => warned.push(fields) }, command, patienceMs);
}

async function until(done: () => boolean): Promise<void> {
  for (const deadline = Date.now() + 10_000; !done(); ) {
    if (Date.now() > deadline) throw new Error("It does not happen.");
    await new Promise((next) => setTimeout(next, 10));
  }
}

function isGone(pid: number): boolean {
  try {
    process.kill(pid, 0);
    return /^State:\s+Z/m.test(readFileSync(`/proc/${pid}/status`, "latin1"));
  } catch {
    return true;
  }
}

test("each GPU has its own keys; what one does not tell is left out", async () => {
  const lines = "0, 35, 1024, 81559, 70.50, 700.00\\n1, 0, 3, 15360, [N/A], [N/A]\\nno such line\\n";
  const gpus = gpusOf(tool(`printf '${lines}'; exec sleep 60`));
  gpus.want(1000);
  await until(() => gpus.latest().size === 8);
  const usage = Object.fromEntries(gpus.latest());
  expect(usage).toMatchObject({
    "system/gpu_0_utilization_percentage": 35,
    "system/gpu_0_memory_usage_megabytes": 1024 * 1.048576,
    "system/gpu_0_power_usage_watts": 70.5,
    "system/gpu_1_utilization_percentage": 0,
  });
  expect(usage["system/gpu_0_power_usage_percentage"]).toBeCloseTo(10.07, 2);
  expect(usage["system/gpu_0_memory_usage_percentage"]).toBeCloseTo(1.2555, 3);
  expect(calls()[0]).toContain("--loop-ms=1000");
  const pid = Number.parseInt(calls()[0] ?? "", 10);
  gpus.stop();
  await until(() => isGone(pid));
  expect(warned).toEqual([]);
});

test("one tool serves all runs, started anew for one that wants readings more often", async () => {
  const gpus = gpusOf(tool("exec sleep 60"));
  gpus.want(5000);
  gpus.want(10_000);
  await until(() => calls().length === 1);
  gpus.want(2000);
  await until(() => calls().length === 2);
  await until(() => isGone(Number.parseInt(calls()[0] ?? "", 10)));
  gpus.stop();
  await until(() => isGone(Number.parseInt(calls()[1] ?? "", 10)));
});

test("where there is no such tool nothing is said; one that fails or hangs is given up with one line", async () => {
  const none = gpusOf(join(home, "nothing"));
  none.want(1000);
  const fails = gpusOf(tool("exit 9"));
  fails.want(1000);
  await until(() => warned.length === 1);
  fails.want(1);
  expect(calls()).toHaveLength(1);
  const hangs = gpusOf(tool("exec sleep 60"), 50);
  hangs.want(1);
  await until(() => warned.length === 2);
  await until(() => isGone(Number.parseInt(calls()[1] ?? "", 10)));
  expect(warned).toEqual([{ why: "it ended (9)" }, { why: "it hangs" }]);
  for (const gpus of [none, fails, hangs]) expect(gpus.latest().size).toBe(0);
});
