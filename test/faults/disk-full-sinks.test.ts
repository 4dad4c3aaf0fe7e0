/** The disk of the sinks that are folders fills up while a run goes on: no server waits, and all arrives once there is room. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { connect, type Run } from "@pipekit/experiment";
import { expect, onTestFinished, test } from "vitest";
import { startDaemon, temporaryHome } from "../support/daemon.ts";
import { openSmallDisk } from "../support/small-disk.ts";
import { CREDENTIALS, SCHEMES, SixDestinations, WHOLE } from "./destinations.ts";
import { journalDamage, runUntil, startTrainer } from "./trainer.ts";

const LIMITS = JSON.stringify({ backoffBaseMs: 50, backoffCapMs: 500, probeCapMs: 500 });
const isFolder = ({ spec }: { readonly spec: string }) => /offline|tensorboard/.test(spec);
const foldersOf = ({ sinks }: Run) => sinks.filter(isFolder);
const serversOf = ({ sinks }: Run) => sinks.filter((sink) => !isFolder(sink));

test.each(["full", "read-only"])(
  "folders on a disk that is %s keep nobody else waiting",
  {
    timeout: 120_000,
  },
  async (how) => {
    const disk = openSmallDisk();
    onTestFinished(() => disk.close());
    if (!disk.canFail) return;
    const six = await SixDestinations.start(join(disk.folder, "six"));
    const home = temporaryHome();
    const script = join(import.meta.dirname, "crashing-daemon.ts");
    const daemon = await startDaemon({ home, script, env: { ...CREDENTIALS, PKX_TEST_LIMITS: LIMITS } });
    const client = await connect({ endpoint: daemon.endpoint });
    try {
      const sinks = Object.values(six.specs);
      const trainer = startTrainer({ home, seed: 4, points: 2000, pauseMs: 5, sinks });
      const runId = await trainer.runId;
      await runUntil(client, runId, (run) => foldersOf(run).every(({ pointsSent }) => pointsSent > 0));
      if (how === "full") disk.fill();
      else disk.forbid();
      // Also the end, and the count after it, while the folders stand still with their reason.
      const logged = await trainer.done;
      if (logged === undefined) throw new Error(trainer.stderr());
      expect(logged).toMatchObject({ dropped: 0, rejected: 0 });
      const stuck = await runUntil(
        client,
        runId,
        (run) =>
          serversOf(run).every(({ pointsShown }) => pointsShown >= 0) &&
          foldersOf(run).every(({ lastError }) => lastError !== ""),
      );
      for (const { lastError, pointsShown } of foldersOf(stuck)) {
        expect(lastError).toMatch(how === "full" ? /no space left|full/ : /read-only|written/);
        expect(pointsShown).toBe(-1);
      }
      disk.mend();
      const done = await runUntil(client, runId, (run) =>
        run.sinks.every(({ pointsShown }) => pointsShown >= 0),
      );
      const points = Object.values(logged.counts).reduce((sum, count) => sum + count, 0);
      for (const sink of done.sinks) {
        expect(sink).toMatchObject({ pointsSent: points, pointsDead: 0, pointsShown: points });
      }
      expect(await journalDamage(client, runId, logged.counts)).toEqual({
        lost: 0,
        doubled: 0,
        misplaced: 0,
      });
      const copies = Object.fromEntries(SCHEMES.map((scheme) => [scheme, WHOLE]));
      expect(await six.damage(runId, logged.counts)).toEqual(copies);
    } finally {
      disk.mend();
      client.close();
      await daemon.stop();
      await six.close();
      rmSync(home, { recursive: true, force: true });
    }
  },
);
