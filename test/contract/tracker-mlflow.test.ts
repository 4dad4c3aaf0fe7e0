import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { answer, type Fault, startFakeHttp } from "../support/fake-http.ts";
import { runsOf, shownRun } from "../support/mlflow-client.ts";
import { startMlflowServer } from "../support/mlflow-server.ts";
import { describeTrackerContract, type NetworkFault } from "./tracker-contract.ts";

const EXPERIMENT = "contract";
const PATHS = { create: /runs\/create/, write: /runs\/(log-batch|update|set-tag)/ };
const FAULTS: Record<NetworkFault, Fault> = {
  unavailable: answer(
    503,
    { error_code: "TEMPORARILY_UNAVAILABLE", message: "later" },
    { "retry-after": "7" },
  ),
  reset: { kind: "reset" },
  answerLost: { kind: "loseAnswer" },
  hang: { kind: "hang" },
};

describeTrackerContract("mlflow", async () => {
  const server = await startMlflowServer();
  const network = await startFakeHttp(server.url);
  const spec = mlflowTracker.parse(`mlflow://${network.host}/${EXPERIMENT}`);
  return {
    connect: () => mlflowTracker.connect(spec, { env: {}, home: "/nonexistent", log: () => {} }),
    failNext: (what, fault) => network.inject(FAULTS[fault], PATHS[what]),
    heal: () => network.script(() => undefined),
    // MLflow takes no time before 1970.
    refused: { kind: "point", key: "loss", step: 7, value: 1, timeUs: -5_000_000 },
    show: async (runId) => {
      const runs = await runsOf(server.url, EXPERIMENT, runId);
      return await Promise.all(runs.map((run) => shownRun(server.url, run)));
    },
    close: async () => {
      await network.close();
      await server.stop();
    },
  };
});
