/** What is shipped for Prometheus and Grafana, and what docs/monitoring.md says, against what a daemon shows. */
import { execFileSync, spawnSync } from "node:child_process";
import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join, resolve } from "node:path";
import { connect } from "@pipekit/experiment";
import { afterAll, beforeAll, describe, expect, test, vi } from "vitest";
import { parse } from "yaml";
import { METRICS, type Metric } from "../../daemon/telemetry/catalogue.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";
import { freePort } from "../support/free-port.ts";
import { findProgram, missing, PROMETHEUS, PROMTOOL } from "../support/programs.ts";
import { type Page, readPage } from "./page.ts";
import { type Prometheus, SHIPPED, startPrometheus } from "./servers.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const DASHBOARD = join(ROOT, "daemon/deploy/grafana/pipekit-experiment.json");

interface Panel {
  readonly id: number;
  readonly type: string;
  readonly title: string;
  readonly datasource?: { readonly uid: string };
  readonly gridPos: { readonly x: number; readonly y: number; readonly w: number; readonly h: number };
  readonly targets?: readonly { readonly expr: string }[];
}

const dashboard = JSON.parse(readFileSync(DASHBOARD, "utf8")) as { uid: string; panels: Panel[] };
const alerts = parse(readFileSync(join(SHIPPED, "alerts.yaml"), "utf8")).groups[0].rules as {
  alert: string;
  expr: string;
}[];

/** As Grafana fills them in. */
const filled = (expr: string) => expr.replaceAll("$__rate_interval", "5m").replaceAll("$instance", ".*");
const panelQueries = dashboard.panels.flatMap(({ targets = [] }) => targets.map(({ expr }) => filled(expr)));

const SUFFIX: { readonly [unit: string]: string } = { s: "_seconds", By: "_bytes" };
const TYPE: { readonly [kind in Metric["kind"]]: string } = {
  counter: "counter",
  "observed-counter": "counter",
  gauge: "gauge",
  histogram: "histogram",
};

/** A metric as Prometheus calls it, by the rules of OpenTelemetry. */
function nameOf({ name, unit, kind }: Metric): string {
  return name.replaceAll(".", "_") + (SUFFIX[unit] ?? "") + (TYPE[kind] === "counter" ? "_total" : "");
}

const metrics: readonly Metric[] = Object.values(METRICS);
const names = new Map(metrics.map((metric) => [nameOf(metric), metric]));
const labelsOf = ({ labels }: Metric) => labels.map((label) => label.replaceAll(".", "_"));

test("docs/monitoring.md has the catalogue's table and every alert", () => {
  const text = readFileSync(join(ROOT, "docs/monitoring.md"), "utf8");
  const rows = [
    ...text.matchAll(/^\| `((?:pipekit|rpc|process|v8js|nodejs)_\w+)` \| (\w+) \| ([^|]*) \| (.*) \|$/gm),
  ];
  const told = rows.map(([, name, kind, labels = "", description]) => [
    name,
    kind,
    labels.trim().replaceAll("`", "").split(", ").filter(Boolean),
    description,
  ]);
  expect(told).toEqual(
    metrics.map((metric) => [nameOf(metric), TYPE[metric.kind], labelsOf(metric), metric.description]),
  );
  const described = [...text.matchAll(/^\| `(Pipekit\w+)` \|/gm)].map(([, name]) => name);
  expect(described).toEqual(alerts.map(({ alert }) => alert));
});

test("queries of the dashboard and the alerts name metrics and labels that there are", () => {
  expect(panelQueries.length).toBeGreaterThan(40);
  for (const query of [...panelQueries, ...alerts.map(({ expr }) => expr)]) {
    const bare = query.replaceAll(/"[^"]*"/g, '""');
    const named = [
      ...bare.matchAll(/\b((?:pipekit|rpc|process|v8js|nodejs)_\w+?)(?:_(bucket|sum|count))?(?=[{[ )*]|$)/g),
    ];
    for (const [whole, base = "", part] of named) {
      const metric = names.get(whole) ?? names.get(base);
      // rpc_method, process_... may also be labels.
      if (metric === undefined && metrics.some((one) => labelsOf(one).includes(whole))) continue;
      expect(metric, `${whole} in ${query}`).toBeDefined();
      if (part !== undefined && names.get(whole) === undefined) expect(metric?.kind).toBe("histogram");
    }
    const labels = [...bare.matchAll(/by \(([^)]*)\)/g)].flatMap(([, list = ""]) => list.split(", "));
    labels.push(...[...bare.matchAll(/[{,]\s*(\w+)\s*(?:=~|!~|!=|=)/g)].map(([, label = ""]) => label));
    const known = new Set(["instance", "job", "le", ...metrics.flatMap(labelsOf)]);
    expect(
      labels.filter((label) => !known.has(label)),
      query,
    ).toEqual([]);
  }
});

test("every metric is on the dashboard", () => {
  const shown = panelQueries.join("\n");
  expect([...names.keys()].filter((name) => !shown.includes(name))).toEqual([]);
});

test("panels have ids of their own, do not overlap, and ask the data source that was chosen", () => {
  const { panels } = dashboard;
  expect(new Set(panels.map(({ id }) => id)).size).toBe(panels.length);
  const cells = panels.flatMap(({ gridPos: { x, y, w, h } }) =>
    Array.from({ length: w * h }, (_, i) => `${x + (i % w)} ${y + Math.floor(i / w)}`),
  );
  expect(new Set(cells).size).toBe(cells.length);
  expect(panels.every(({ gridPos: { x, w } }) => x + w <= 24)).toBe(true);
  for (const { type, datasource } of panels) {
    if (type !== "row") expect(datasource?.uid).toMatch(/^\$\{datasource\}$/);
  }
});

test("telemetry is loaded late: nothing outside imports it but as types", () => {
  const eager = readdirSync(join(ROOT, "daemon"), { withFileTypes: true, recursive: true })
    .filter((entry) => entry.isFile() && entry.name.endsWith(".ts"))
    .map((entry) => join(entry.parentPath, entry.name))
    .filter(
      (path) => !/\/(node_modules|dist|telemetry)\//.test(path) && !path.endsWith("config/telemetry.ts"),
    )
    .filter((path) =>
      /^import (?!type )[^;]*(?:\/telemetry\/index\.ts|@opentelemetry)/m.test(readFileSync(path, "utf8")),
    );
  expect(eager).toEqual([]);
});

const promtool = (...args: string[]) =>
  spawnSync(findProgram(PROMTOOL) ?? "", args, { encoding: "utf8", cwd: SHIPPED });

describe.skipIf(missing(PROMTOOL))("by promtool", () => {
  test("configuration and rules are right", () => {
    expect(promtool("check", "config", "scrape.yaml")).toMatchObject({ status: 0 });
    expect(promtool("check", "rules", "--lint=all", "--lint-fatal", "alerts.yaml")).toMatchObject({
      status: 0,
    });
  });

  test("alerts fire when they should, and not before", () => {
    const folder = mkdtempSync(join(tmpdir(), "pkx-"));
    try {
      const file = join(folder, "alerts.test.yaml");
      writeFileSync(file, JSON.stringify({ ...ALERT_TESTS, rule_files: [join(SHIPPED, "alerts.yaml")] }));
      expect(promtool("test", "rules", file)).toMatchObject({ status: 0, stderr: "" });
    } finally {
      rmSync(folder, { recursive: true });
    }
  });
});

/** Series by the minute; each alert at a time before it fires, at one when it does, and perhaps at one after. */
const SERIES: {
  readonly [series: string]: {
    readonly values: string;
    readonly alert: string;
    readonly at: readonly number[];
  };
} = {
  'up{job="pipekit-experiment",instance="a"}': { values: "1x9 0x30", alert: "PipekitDown", at: [14, 16] },
  'pipekit_delivery_lag_seconds{instance="a",sink_kind="mlflow",state="retrying"}': {
    values: "0+60x40",
    alert: "PipekitDeliveryLags",
    at: [19, 22],
  },
  'pipekit_delivery_sinks{instance="a",sink_kind="wandb",state="refused"}': {
    values: "0x9 2x30",
    alert: "PipekitSinkRefusesRuns",
    at: [14, 16],
  },
  'pipekit_delivery_endpoints{instance="a",sink_kind="mlflow",breaker="open"}': {
    values: "0x9 1x30",
    alert: "PipekitTrackerAway",
    at: [18, 21],
  },
  'pipekit_delivery_dead_letters{instance="a"}': {
    values: "0x9 3x30",
    alert: "PipekitDeadLetters",
    at: [9, 11],
  },
  'pipekit_delivery_comparisons_total{instance="a",sink_kind="mlflow",outcome="differs"}': {
    values: "_x9 1x200",
    alert: "PipekitCountsDiffer",
    at: [8, 11, 75],
  },
  'pipekit_client_dropped_total{instance="a"}': {
    values: "0x9 50x30",
    alert: "PipekitClientsLosePoints",
    at: [8, 12],
  },
  'pipekit_disk_used_bytes{instance="a"}': { values: "80x9 90x30", alert: "PipekitQuota", at: [14, 16] },
  'pipekit_disk_quota_bytes{instance="a"}': { values: "100x40", alert: "", at: [0, 0] },
  'pipekit_disk_free_bytes{instance="b"}': {
    values: "5e9x9 1e9x40",
    alert: "PipekitDiskFillsUp",
    at: [9, 26],
  },
  'nodejs_eventloop_delay_p99_seconds{job="pipekit-experiment",instance="a"}': {
    values: "0x9 0.7x30",
    alert: "PipekitBusy",
    at: [18, 21],
  },
  'process_memory_usage_bytes{job="pipekit-experiment",instance="a"}': {
    values: "1e8x9 2e9x40",
    alert: "PipekitMemory",
    at: [23, 26],
  },
  'process_unix_file_descriptor_count{job="pipekit-experiment",instance="a"}': {
    values: "40x9 900x40",
    alert: "PipekitFiles",
    at: [23, 26],
  },
  'pipekit_access_refusals_total{instance="a",outcome="UNAUTHENTICATED"}': {
    values: "0x9 0+300x40",
    alert: "PipekitRefusals",
    at: [14, 24],
  },
  'pipekit_registry_operation_duration_seconds_count{instance="a",registry_kind="s3",operation="load",outcome="REGISTRY_UNAVAILABLE"}':
    { values: "0x9 0+3x40", alert: "PipekitRegistryAway", at: [17, 23] },
  'rpc_server_call_duration_seconds_count{job="pipekit-experiment",instance="a",rpc_method="m",rpc_response_status_code="INTERNAL"}':
    { values: "0x9 0+3x40", alert: "PipekitFails", at: [13, 18] },
  'pipekit_journal_sync_duration_seconds_bucket{instance="a",le="0.5"}': {
    values: "0+1x60",
    alert: "PipekitSlowDisk",
    at: [5, 25],
  },
  'pipekit_journal_sync_duration_seconds_bucket{instance="a",le="1"}': {
    values: "0+100x60",
    alert: "",
    at: [0, 0],
  },
  'pipekit_journal_sync_duration_seconds_bucket{instance="a",le="+Inf"}': {
    values: "0+100x60",
    alert: "",
    at: [0, 0],
  },
};

/** `ALERTS` is the series that Prometheus makes of each alert; only whether it fires is asked. */
const fires = (alert: string) => `count(ALERTS{alertname="${alert}", alertstate="firing"}) or vector(0)`;
const ALERT_TESTS = {
  evaluation_interval: "1m",
  tests: [
    {
      interval: "1m",
      input_series: Object.entries(SERIES).map(([series, { values }]) => ({ series, values })),
      promql_expr_test: Object.values(SERIES)
        .filter(({ alert }) => alert !== "")
        .flatMap(({ alert, at }) =>
          at.map((minute, i) => ({
            expr: fires(alert),
            eval_time: `${minute}m`,
            exp_samples: [{ labels: "{}", value: i % 2 }],
          })),
        ),
    },
  ],
};

test("each alert is tested", () => {
  const tested = Object.values(SERIES).flatMap(({ alert }) => (alert === "" ? [] : [alert]));
  expect(tested.sort()).toEqual(alerts.map(({ alert }) => alert).sort());
});

describe.skipIf(missing(PROMETHEUS))("by Prometheus", () => {
  let daemon: TestDaemon;
  let prometheus: Prometheus;
  let port: number;
  let page: Page;

  beforeAll(async () => {
    port = await freePort();
    daemon = await startDaemon({ args: ["--metrics-listen", `127.0.0.1:${port}`] });
    const client = await connect({ endpoint: daemon.endpoint });
    const run = await client.startRun({ sinks: [`tensorboard://${daemon.home}/events`] });
    for (let step = 0; step < 100; step++) run.log({ loss: step }, step);
    await run.end();
    client.close();
    prometheus = await startPrometheus(port);
    const seen = async () => Number((await prometheus.query("pipekit_journal_points_total"))[0]?.value[1]);
    await vi.waitFor(async () => expect(await seen()).toBe(100), { timeout: 15_000, interval: 100 });
    page = await readPage(port);
  }, 40_000);

  afterAll(async () => {
    await prometheus?.stop();
    await daemon?.stop();
  });

  test("a page that Prometheus finds right, but for a name of the conventions", () => {
    const text = execFileSync("curl", ["-s", `http://127.0.0.1:${port}/metrics`]);
    const { stderr } = spawnSync(findProgram(PROMTOOL) ?? "", ["check", "metrics"], {
      input: text,
      encoding: "utf8",
    });
    expect(stderr.trim().split("\n")).toEqual([
      'process_unix_file_descriptor_count non-histogram and non-summary metrics should not have "_count" suffix',
    ]);
  });

  test("every query of the dashboard and the alerts is one", async () => {
    for (const query of [...panelQueries, ...alerts.map(({ expr }) => expr)]) await prometheus.query(query);
  });

  test("what it scraped is what the page shows", async () => {
    expect(await prometheus.query("up")).toMatchObject([
      { metric: { job: "pipekit-experiment" }, value: [0, "1"].map(() => expect.anything()) },
    ]);
    for (const name of [
      "pipekit_journal_frames_total",
      "pipekit_runs",
      "pipekit_journal_append_duration_seconds_count",
    ]) {
      const sum = (await prometheus.query(`sum(${name})`))[0]?.value[1];
      expect(Number(sum)).toBe(page.sum(name));
    }
  });

  test("types are those of the catalogue", () => {
    for (const [name, type] of page.types) {
      if (name === "target_info") continue;
      const metric = names.get(name);
      expect(metric && TYPE[metric.kind], name).toBe(type);
    }
  });
});
