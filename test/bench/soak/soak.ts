/**
 * A day of a daemon in minutes: runs come and go, a tracker fails and mends, models are promoted and collected, what is
 * delivered is pruned, clients break off and come back. Then everything must be delivered, once, and the journal whole.
 */
import { rmSync, statSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { fileURLToPath } from "node:url";
import { type Client, connect, SinkState } from "@pipekit/experiment";
import { verify } from "../../../daemon/journal/verify.ts";
import { type StartOptions, startDaemon, temporaryHome } from "../../support/daemon.ts";
import { answer } from "../../support/fake-http.ts";
import { type FakeMlflow, startFakeMlflow } from "../../support/fake-mlflow.ts";
import { freePort } from "../../support/free-port.ts";
import { type LoadSettings, newTally, pause, promote, type Tally, train } from "./load.ts";
import { type Sample, takeSample } from "./samples.ts";

/** How long, and how often what happens. Seconds. */
export interface SoakSettings extends Omit<LoadSettings, "sinks"> {
  readonly seconds: number;
  readonly sampleEvery: number;
  /** The tracker is away for a quarter of each such time. */
  readonly outageEvery: number;
  readonly pruneEvery: number;
  readonly modelEvery: number;
  /** How to start the daemon; its home is the soak's. */
  readonly start?: StartOptions;
  readonly onSample?: (sample: Sample, tally: Tally) => void;
}

/** What came of it. */
export interface SoakReport {
  readonly samples: readonly Sample[];
  readonly tally: Tally;
  /** Points of ended runs that the tracker showed, each once; those of `tally` when nothing was lost. */
  readonly shown: number;
  /** Runs whose counts differed, or that were not delivered in the end. */
  readonly faults: readonly string[];
  readonly runsPruned: number;
  /** What the journal takes when every run is pruned, bytes. */
  readonly journalLeft: number;
  readonly exitCode: number | null;
}

/** How long the daemon has to catch up when the load has ended, milliseconds. */
const CATCH_UP_MS = 120_000;
const LOOK_MS = 100;

export async function soak(settings: SoakSettings): Promise<SoakReport> {
  const home = temporaryHome();
  const tool = await startFakeMlflow();
  tool.http.remember = false;
  const page = `127.0.0.1:${await freePort()}`;
  const args = ["--idle-exit-s", "0", "--metrics-listen", page];
  const daemon = await startDaemon({ ...settings.start, home, args });
  const client = await connect({ env: daemon.clientEnv });
  const tally = newTally();
  const samples: Sample[] = [];
  const ledger = new Ledger(client, tool, tally);
  const load: LoadSettings = {
    ...settings,
    sinks: [`mlflow+http://${tool.host}/soak`, `tensorboard://${join(home, "events")}`],
  };
  try {
    const over = AbortSignal.timeout(settings.seconds * 1000);
    const begun = performance.now();
    await Promise.all([
      ...Array.from({ length: settings.trainers }, () => train(daemon, load, tally, over)),
      promote(client, tally, settings.modelEvery * 1000, over),
      fail(tool, settings.outageEvery * 1000, over),
      every(settings.pruneEvery, over, () => ledger.prune()),
      every(settings.sampleEvery, over, async () => {
        const second = Math.round((performance.now() - begun) / 1000);
        const sample = await takeSample(daemon, `http://${page}/metrics`, second);
        samples.push(sample);
        settings.onSample?.(sample, tally);
      }),
    ]);
    const deadline = performance.now() + CATCH_UP_MS;
    while (tally.ended.size > 0 && performance.now() < deadline) {
      await sleep(LOOK_MS);
      await ledger.prune();
    }
    for (const runId of tally.ended) ledger.faults.push(`The run ${runId} is not delivered.`);
    client.close();
    const { code } = await daemon.stop();
    const journal = join(daemon.stateFolder, "journal.db");
    const { faults } = await verify(journal);
    const { shown, runsPruned } = ledger;
    return {
      ...{ samples, tally, shown, runsPruned, exitCode: code },
      faults: [...ledger.faults, ...faults],
      journalLeft: statSync(journal).size,
    };
  } finally {
    client.close();
    await daemon.kill9();
    await tool.close();
    rmSync(home, { recursive: true, force: true });
  }
}

/** Runs that have ended: seen to be delivered, compared with what the tracker shows, pruned and forgotten there. */
class Ledger {
  readonly faults: string[] = [];
  shown = 0;
  runsPruned = 0;
  readonly #client: Client;
  readonly #tool: FakeMlflow;
  readonly #tally: Tally;

  constructor(client: Client, tool: FakeMlflow, tally: Tally) {
    this.#client = client;
    this.#tool = tool;
    this.#tally = tally;
  }

  async prune(): Promise<void> {
    const done: string[] = [];
    for (const runId of this.#tally.ended) {
      const { sinks, points } = await this.#client.getRun(runId);
      if (sinks.some(({ state }) => state !== SinkState.SINK_STATE_DONE)) continue;
      const [run, ...others] = this.#tool.runsOf(runId);
      const shown = run?.points.length ?? 0;
      this.shown += shown;
      if (others.length > 0 || shown !== points) {
        this.faults.push(`The run ${runId} has ${points} points; the tracker shows ${shown}.`);
      }
      this.#tool.forget(runId);
      for (const { remoteUrl } of sinks) {
        if (remoteUrl.startsWith("file:")) rmSync(fileURLToPath(remoteUrl), { recursive: true });
      }
      this.#tally.ended.delete(runId);
      done.push(runId);
    }
    if (done.length === 0) return;
    const told = await Array.fromAsync(this.#client.delivery.prune({ runIds: done, apply: true }));
    this.runsPruned += told.filter((one) => !one.done).length;
  }
}

/** Has the tracker fail for the last quarter of each time: errors, then silence. */
async function fail(tool: FakeMlflow, everyMs: number, until: AbortSignal): Promise<void> {
  for (let turn = 0; !until.aborted; turn++) {
    await pause((everyMs * 3) / 4, until);
    const fault = turn % 2 === 0 ? answer(503, "away") : ({ kind: "reset" } as const);
    tool.misbehave(() => fault);
    await pause(everyMs / 4, until);
    tool.misbehave(() => undefined);
  }
}

async function every(seconds: number, until: AbortSignal, deed: () => Promise<void>): Promise<void> {
  while (!until.aborted) {
    await deed();
    await pause(seconds * 1000, until);
  }
}
