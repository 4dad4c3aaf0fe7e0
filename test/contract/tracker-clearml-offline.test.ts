import { execFileSync } from "node:child_process";
import { mkdirSync, mkdtempSync, renameSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { sessionsOf } from "../clearml/sessions.ts";
import { describeTrackerContract } from "./tracker-contract.ts";
import { DISK_FAULTS, NO_CONTEXT } from "./tracker-harness.ts";

const ROOM = "size=1g";

describeTrackerContract("clearml, offline", async () => {
  const root = mkdtempSync(join(tmpdir(), "pkx-clearml-offline-"));
  const mounted = mount(root, ROOM);
  const folder = join(root, "sessions");
  const away = join(root, "away");
  mkdirSync(folder);
  const spec = clearmlTracker.parse(`clearml+offline://${folder}?project=contract/suite`);
  let fault: string | undefined;
  const heal = () => {
    if (fault === "diskFull") mount(root, `remount,${ROOM}`);
    if (fault === "readOnly") {
      rmSync(folder);
      renameSync(away, folder);
    }
    fault = undefined;
  };
  return {
    kind: clearmlTracker,
    spec,
    connect: () => clearmlTracker.connect(spec, NO_CONTEXT),
    faults: mounted ? DISK_FAULTS : ["readOnly"],
    failNext: (_, next) => {
      heal();
      fault = next;
      if (next === "diskFull") mount(root, `remount,size=${usedBytes(root)}`);
      if (next === "readOnly") {
        // Not by its mode, which would not hold off a test that runs as root.
        renameSync(folder, away);
        writeFileSync(folder, "");
      }
    },
    heal,
    arrivals: async (runId) => sessionsOf(folder, runId)[0]?.arrivals ?? [],
    remoteUrl: /^file:\/\/\/.*\/offline-[0-9a-f]{32}\.zip$/,
    shownNonFinite: () => Number.NaN,
    shownState: { failed: "completed", killed: "completed" },
    show: async (runId) => sessionsOf(folder, runId).map(({ shown }) => shown),
    artifacts: async (runId) => sessionsOf(folder, runId)[0]?.artifacts ?? {},
    close: async () => {
      heal();
      if (mounted) execFileSync("umount", ["-l", root]);
      rmSync(root, { recursive: true, force: true });
    },
  };
});

/** Mounts a file system in memory; false where this user may not. */
function mount(folder: string, options: string): boolean {
  try {
    execFileSync("mount", ["-t", "tmpfs", "-o", options, "tmpfs", folder], { stdio: "ignore" });
    return true;
  } catch {
    return false;
  }
}

function usedBytes(folder: string): number {
  const { blocks, bfree, bsize } = statfsSync(folder);
  return (blocks - bfree) * bsize;
}
