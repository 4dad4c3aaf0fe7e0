import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { arrivedPoints, shownArtifacts, shownRun, tasksOf } from "../clearml/support.ts";
import { KEYS, startFakeClearml } from "../support/fake-clearml.ts";
import { answer, startFakeHttp } from "../support/fake-http.ts";
import { httpFault, type ToolAnswers } from "./http-faults.ts";
import { describeTrackerContract } from "./tracker-contract.ts";
import { HTTP_FAULTS, NO_CONTEXT } from "./tracker-harness.ts";

const PATHS = {
  create: /tasks\.create/,
  write: /events\.add_batch|tasks\.(edit_hyper_params|completed|failed|stopped)/,
  read: /events\.scalar_metrics_iter_raw/,
  upload: /^\/$/,
};

const envelope = (code: number, subcode: number, msg: string) => ({
  meta: { id: "call", result_code: code, result_subcode: subcode, result_msg: msg },
  data: {},
});

const toolAnswers = (foreignUrl: string): ToolAnswers => ({
  error: (status) => envelope(status, status === 500 ? 100 : 0, `no: ${status}`),
  refusal: answer(400, envelope(400, 12, "Validation error: this is not for me.")),
  half: (body, { path, headers }) => {
    if (headers["content-type"] !== "application/json-lines") return halfOfParams(path, body);
    const lines = body.split("\n");
    return lines.slice(0, Math.ceil(lines.length / 2)).join("\n");
  },
  foreignUrl,
});

function halfOfParams(path: string, body: string): string {
  if (!path.includes("edit_hyper_params")) return body;
  const { hyperparams = [], ...rest }: { hyperparams?: readonly object[] } = JSON.parse(body);
  return JSON.stringify({ ...rest, hyperparams: hyperparams.slice(0, Math.ceil(hyperparams.length / 2)) });
}

describeTrackerContract("clearml", async () => {
  const server = await startFakeClearml();
  const [network, foreign] = await Promise.all([startFakeHttp(server.url), startFakeHttp()]);
  const tool = toolAnswers(foreign.url);
  const folder = mkdtempSync(join(tmpdir(), "pkx-clearml-keys-"));
  const files = { access: join(folder, "access"), secret: join(folder, "secret") };
  const secrets: string[] = [KEYS.secret];
  let keys: { access: string; secret: string } = { ...KEYS };
  const renew = () => {
    writeFileSync(files.access, `${keys.access}\n`, { mode: 0o600 });
    writeFileSync(files.secret, `${keys.secret}\n`, { mode: 0o600 });
  };
  renew();
  server.state.unindexable.add("poison");
  const spec = clearmlTracker.parse(
    `clearml+http://${network.host}/contract/suite?files=${network.url}&web=${network.url}` +
      `&access_key=file:${files.access}&secret_key=file:${files.secret}`,
  );
  return {
    kind: clearmlTracker,
    spec,
    connect: () => clearmlTracker.connect(spec, NO_CONTEXT),
    faults: HTTP_FAULTS,
    failNext: (what, fault) => network.inject(httpFault(fault, tool), PATHS[what]),
    failNextUpload: (fault) => network.inject(httpFault(fault, tool), PATHS.upload),
    failNextRead: (fault) => network.inject(httpFault(fault, tool), PATHS.read),
    heal: () => {
      network.script(() => undefined);
      network.remember = true;
      renew();
    },
    limitBody: (bytes) =>
      network.script(({ path, body }) =>
        PATHS.write.test(path) && Buffer.byteLength(body) > bytes ? answer(413, "too large") : undefined,
      ),
    swallow: (delayMs) => {
      network.remember = false;
      const taken = { ...envelope(200, 0, "OK"), data: { added: 1, errors: 0, errors_info: {} } };
      network.script(({ path }) =>
        path.includes("events.add_batch") ? { ...answer(200, taken), afterMs: delayMs } : undefined,
      );
    },
    expireCredentials: () => {
      keys = { access: `ACCESS${secrets.length}`, secret: `fake-secret-${secrets.length}-0123456789` };
      secrets.push(keys.secret);
      server.renew(keys.access, keys.secret);
    },
    renewCredentials: renew,
    secrets: () => secrets,
    foreign: () => foreign.seen,
    refused: { kind: "point", key: "poison", step: 7, value: 1, timeUs: 1_760_000_000_000_000 },
    shownNonFinite: () => Number.NaN,
    show: async (runId) => tasksOf(server.state, runId).map((task) => shownRun(server.state, task)),
    arrivals: async (runId) => arrivedPoints(server.state, tasksOf(server.state, runId)[0]),
    artifacts: async (runId) => {
      const [task] = tasksOf(server.state, runId);
      return task === undefined ? {} : shownArtifacts(server.state, task, network.url);
    },
    close: async () => {
      await Promise.all([network.close(), foreign.close()]);
      await server.close();
      rmSync(folder, { recursive: true, force: true });
    },
  };
});
