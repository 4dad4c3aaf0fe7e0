/** One tracker misbehaves for its first requests while another one of the same run is well. */

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { afterAll, beforeAll, expect, test } from "vitest";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { answer, type Fault, htmlPage, tooManyRequests } from "../support/fake-http.ts";
import { startFakeMlflow } from "../support/fake-mlflow.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { mlflowDamage, runUntil } from "./trainer.ts";

const NONE = { lost: 0, doubled: 0, misplaced: 0 };
const STEPS = 4000;
/** Waits that a person would get, cut short; a call without answer is given up after a second. */
const LIMITS = JSON.stringify({
  backoffBaseMs: 20,
  backoffCapMs: 100,
  longestAfterMs: 200,
  probeCapMs: 100,
  callTimeoutMs: 1000,
});

let daemon: TestDaemon;
let client: Client;

beforeAll(async () => {
  const script = join(import.meta.dirname, "crashing-daemon.ts");
  daemon = await startDaemon({ script, env: { PKX_TEST_LIMITS: LIMITS } });
  client = await connect({ endpoint: daemon.endpoint });
});

afterAll(async () => {
  client.close();
  await daemon.stop();
});

async function logRun(hosts: readonly string[], steps = STEPS): Promise<string> {
  const run = await client.startRun({ config: {}, sinks: hosts.map((host) => `mlflow+http://${host}/bad`) });
  for (let step = 0; step < steps; step++) run.log({ a: step, b: step }, step);
  await run.end();
  return run.runId;
}

function rssMib(): number {
  const status = readFileSync(`/proc/${daemon.pid}/status`, "utf8");
  return Number(/VmRSS:\s+(\d+) kB/.exec(status)?.[1]) / 1024;
}

const FAULTS: readonly (readonly [string, Fault])[] = [
  ["429 without a time", tooManyRequests()],
  ["429 with Retry-After", tooManyRequests("1")],
  ["500", answer(500, "oops")],
  ["a web page", htmlPage()],
  ["a web page for an error", htmlPage(502)],
  ["no answer", { kind: "hang" }],
  ["a reset", { kind: "reset" }],
  ["half an answer", { kind: "halfAnswer", status: 200, body: '{"run":' }],
  ["an answer that is lost", { kind: "loseAnswer" }],
];

test.each(FAULTS)(
  "%s: the tracker gets all in the end, and the other one waits for nothing",
  async (_, fault) => {
    const [good, bad] = await Promise.all([startFakeMlflow(), startFakeMlflow()]);
    try {
      // Each request until the other one has all: who waited for it would wait for ever. Then every other one, so
      // that opening calls and batches meet it too.
      let early = 0;
      bad.misbehave(() => {
        early++;
        return fault;
      });
      const runId = await logRun([good.host, bad.host]);
      await runUntil(client, runId, ({ sinks }) =>
        sinks.some((sink) => sink.spec.includes(good.host) && sink.pointsShown >= 0),
      );
      expect(early).toBeGreaterThan(0);
      let late = 0;
      bad.misbehave(() => (++late <= 9 && late % 2 === 0 ? fault : undefined));
      const done = await runUntil(client, runId, ({ sinks }) => sinks.every((sink) => sink.pointsShown >= 0));
      for (const sink of done.sinks) {
        expect(sink).toMatchObject({
          pointsSent: 2 * STEPS,
          pointsShown: 2 * STEPS,
          pointsDead: 0,
          notes: [],
        });
      }
      for (const tracker of [good, bad]) {
        expect(mlflowDamage(tracker, runId, { a: STEPS, b: STEPS })).toEqual(NONE);
        expect(tracker.runsOf(runId)).toMatchObject([{ status: "FINISHED" }]);
      }
      expect(late).toBeGreaterThan(9);
      expect(rssMib()).toBeLessThan(400);
    } finally {
      await Promise.all([good.close(), bad.close()]);
    }
  },
);

test("the small MLflow of these tests shows what a real one shows", { timeout: 120_000 }, async () => {
  const [fake, real] = await Promise.all([startFakeMlflow(), startMlflowServer()]);
  try {
    // Few: this daemon gives a call one second, and a real server needs a fourth of it for a full batch.
    const steps = 100;
    const runId = await logRun([fake.host, real.host], steps);
    const done = await runUntil(
      client,
      runId,
      ({ sinks }) => sinks.every((sink) => sink.pointsShown >= 0),
      60_000,
    );
    const [one, other] = done.sinks.map(({ spec, remoteId, remoteUrl, ...rest }) => rest);
    expect(one).toEqual(other);
    expect(one).toMatchObject({ pointsShown: 2 * steps, notes: [] });
  } finally {
    await Promise.all([fake.close(), real.stop()]);
  }
});
