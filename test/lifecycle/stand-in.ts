/**
 * A daemon whose rooms are stand-ins, so that tests of its life can make them hang: `PKX_TEST_HANG` names the steps
 * that never end: open, delivery and journal (their stop), tracker (what is to be delivered is never taken).
 */
import { setTimeout as sleep } from "node:timers/promises";
import type { Rooms } from "../../daemon/rooms.ts";
import { serve } from "../../daemon/serve.ts";

const hangs = (process.env["PKX_TEST_HANG"] ?? "").split(",");
const forever = () => sleep(2 ** 30);
const never = async () => {
  throw new Error("the stand-in keeps no runs");
};

async function openRooms(): Promise<Rooms> {
  if (hangs.includes("open")) {
    process.stderr.write("opening\n");
    await forever();
  }
  return {
    journal: {
      append: never,
      run: never,
      runs: async () => [],
      members: async () => [],
      onCommit: () => () => undefined,
      onResume: () => () => undefined,
      totals: async () => ({
        bytes: 1,
        frames: 2,
        points: 3,
        runs: 4,
        runsRunning: 5,
        pointsPending: 6,
        deadLetters: 7,
      }),
      close: async () => {
        if (hangs.includes("journal")) await forever();
      },
    },
    delivery: {
      start: () => undefined,
      stop: async () => {
        if (hangs.includes("delivery")) await forever();
      },
      whenDelivered: async () => {
        if (hangs.includes("tracker")) await forever();
      },
    },
    retention: {
      disk: async () => ({ quotaBytes: 0, usedBytes: 8, freeBytes: 9, warnings: [] }),
      prune: async function* () {},
    },
    backups: { make: never },
    writers: {
      lookAnew: async () => undefined,
      holds: () => false,
      holdsWriter: () => false,
      livingRuns: () => new Set(),
    },
    watches: [],
    services: [],
  };
}

await serve(process.argv.slice(3), openRooms);
