/** Manifests and chart by their own linters, and what they must say whatever the linters think. */
import { mkdtempSync, readdirSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { parse, parseAllDocuments } from "yaml";
import { toolPath } from "../support/tools.ts";
import { DEPLOY } from "./image.ts";
import { findTool, run } from "./tool-check.ts";

const CHART = join(DEPLOY, "helm/pipekit-experiment");
const OVERLAYS = ["job", "shared"] as const;
const kubectl = findTool("kubectl");

/** Values that must be taken. */
const VALUES = {
  shared: {},
  job: { mode: "job" },
  claim: { mode: "job", user: 1000, imagePullSecrets: [{ name: "pull" }], job: { claim: "journal" } },
  large: {
    shared: {
      config: { trackers: { everywhere: ["mlflow+https://mlflow.example.com/vision"] }, disk_quota_gb: 50 },
      storage: { size: "200Gi", className: "fast", accessMode: "ReadWriteOnce" },
      networkPolicy: { enabled: false },
      podDisruptionBudget: { enabled: false },
    },
  },
  // Names that YAML would take for numbers and truth values, and metrics for Prometheus.
  odd: {
    shared: {
      config: { metrics_listen: "0.0.0.0:9464", trackers: { "é: x #1": ["tensorboard:///e"] } },
      secrets: { tls: "123", token: "on", trackers: "0123" },
      storage: { className: "1e3" },
    },
  },
  oddJob: { mode: "job", job: { claim: "123", trackersSecret: "true" } },
};

/** Values that must be refused, with what names the fault. */
const WRONG: readonly [object, RegExp][] = [
  [{ mode: "both" }, /mode/],
  [{ user: 0 }, /user/],
  [{ replicas: 2 }, /replicas/],
  [{ shared: { config: { listen: "0.0.0.0:1" } } }, /config/],
  [{ shared: { storage: { accessMode: "ReadWriteMany" } } }, /accessMode/],
  [{ job: { drainSeconds: "50" } }, /drainSeconds/],
  [{ mode: "job", job: { waitSeconds: 100 } }, /terminationGracePeriodSeconds/],
];

// biome-ignore lint/suspicious/noExplicitAny: manifests are looked into by the tests, and checked by their schema.
type Manifest = any;

let home: string;
let helm: { lint: { messages: { severity: number }[]; errors: unknown[] }; results: { error?: string }[] };
let charts: Readonly<Record<keyof typeof VALUES, Manifest[]>>;

beforeAll(() => {
  home = mkdtempSync(join(tmpdir(), "pkx-"));
  const given = [...Object.values(VALUES), ...WRONG.map(([values]) => values)];
  const script = join(import.meta.dirname, "helm.py");
  const told = JSON.parse(run(toolPath("python"), [script, CHART], JSON.stringify(given)));
  helm = told;
  const names = Object.keys(VALUES) as (keyof typeof VALUES)[];
  charts = Object.fromEntries(
    names.map((name, i) => [name, documents(Object.values<string>(told.results[i].manifests ?? {}))]),
  ) as typeof charts;
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

/** The objects in texts of YAML; notes for a person are none. */
function documents(texts: readonly string[]): Manifest[] {
  return texts
    .filter((text) => /^kind:/m.test(text))
    .flatMap((text) => parseAllDocuments(text).map((document) => document.toJS()))
    .filter((object) => object !== null);
}

function kustomize(overlay: string): Manifest[] {
  return documents([run(kubectl ?? "", ["kustomize", join(DEPLOY, "kubernetes/overlays", overlay)])]);
}

function ofKind(manifests: readonly Manifest[], kind: string): Manifest {
  const found = manifests.filter((manifest) => manifest.kind === kind);
  expect(found, kind).toHaveLength(1);
  return found[0];
}

function podsOf(manifests: readonly Manifest[]): Manifest[] {
  return manifests.flatMap((manifest) => manifest.spec?.template?.spec ?? []);
}

/** Checks against the schema of the oldest release that has native sidecars by default, and of the newest that is known. */
function validate(name: string, manifests: readonly Manifest[]): void {
  const file = join(home, `${name}.yaml`);
  writeFileSync(file, manifests.map((manifest) => `---\n${JSON.stringify(manifest)}\n`).join(""));
  for (const version of [["-k", "1.29"], []])
    run(toolPath("kubernetes-validate"), ["--strict", ...version, file]);
}

/** What must hold of every pod. */
function checkPod(pod: Manifest): void {
  expect(pod.securityContext).toMatchObject({
    runAsNonRoot: true,
    seccompProfile: { type: "RuntimeDefault" },
  });
  expect(pod.automountServiceAccountToken).toBe(false);
  const containers = [...(pod.initContainers ?? []), ...pod.containers];
  for (const { name, securityContext, resources, volumeMounts } of containers) {
    expect(securityContext, name).toMatchObject({
      allowPrivilegeEscalation: false,
      capabilities: { drop: ["ALL"] },
    });
    expect(resources.limits, name).toMatchObject({ cpu: expect.anything(), memory: expect.any(String) });
    if (name === "pkx") expect(securityContext.readOnlyRootFilesystem).toBe(true);
    const volumes = [...pod.volumes.map((volume: Manifest) => volume.name), "state"];
    for (const mount of volumeMounts) expect(volumes).toContain(mount.name);
  }
  if (pod.securityContext.fsGroup !== undefined) {
    expect(pod.securityContext.fsGroupChangePolicy).toBe("OnRootMismatch");
  }
}

test("every YAML file is one by yamllint", () => {
  const files = ["compose", "kubernetes", "helm/pipekit-experiment"].flatMap((folder) =>
    readdirSync(join(DEPLOY, folder), { recursive: true, encoding: "utf8" })
      // Templates are no YAML before they are rendered.
      .filter((path) => path.endsWith(".yaml") && !path.startsWith("templates/"))
      .map((path) => join(DEPLOY, folder, path)),
  );
  expect(files.length).toBeGreaterThan(10);
  const rules =
    "{extends: default, rules: {document-start: disable, line-length: {max: 120}, octal-values: disable}}";
  run(toolPath("yamllint"), ["--strict", "-d", rules, ...files]);
});

test.skipIf(kubectl === undefined).each(OVERLAYS)("kustomize makes valid manifests: %s", (overlay) => {
  const manifests = kustomize(overlay);
  validate(`kustomize-${overlay}`, manifests);
  for (const pod of podsOf(manifests)) checkPod(pod);
});

describe("the chart", () => {
  test("Helm finds no fault in it", () => {
    expect(helm.lint.errors).toEqual([]);
    expect(helm.lint.messages.filter(({ severity }) => severity > 1)).toEqual([]);
  });

  test.each(Object.keys(VALUES) as (keyof typeof VALUES)[])("it makes valid manifests: %s", (name) => {
    const manifests = charts[name];
    expect(manifests.length).toBeGreaterThan(0);
    validate(`helm-${name}`, manifests);
    for (const pod of podsOf(manifests)) checkPod(pod);
  });

  test("values that are wrong are refused by name", () => {
    const refused = helm.results.slice(Object.keys(VALUES).length).map(({ error }) => error ?? "taken");
    for (const [i, [values, fault]] of WRONG.entries())
      expect(refused[i], JSON.stringify(values)).toMatch(fault);
  });

  test("values reach their places", () => {
    const config = parse(ofKind(charts.large, "ConfigMap").data["config.yaml"]);
    expect(config).toMatchObject({ listen: "0.0.0.0:7443", trackers: VALUES.large.shared.config.trackers });
    expect(charts.large.map(({ kind }) => kind)).not.toContain("NetworkPolicy");
    const { ingress } = ofKind(charts.odd, "NetworkPolicy").spec;
    expect(ingress.map(({ ports }: Manifest) => ports[0].port)).toEqual([7443, 9464]);
    expect(ofKind(charts.shared, "NetworkPolicy").spec.ingress).toHaveLength(1);
    const job = ofKind(charts.claim, "Job").spec.template.spec;
    expect(job.securityContext).toMatchObject({ runAsUser: 1000, fsGroup: 1000 });
    expect(job.volumes[0]).toEqual({ name: "pkx-state", persistentVolumeClaim: { claimName: "journal" } });
  });

  test.skipIf(kubectl === undefined)("it says of the daemon what the manifests say", () => {
    const ofJob = (manifests: readonly Manifest[]) => ofKind(manifests, "Job").spec.template.spec;
    const [chartJob, job] = [ofJob(charts.job), ofJob(kustomize("job"))];
    const { imagePullPolicy: _, ...sidecar } = chartJob.initContainers[0];
    expect(sidecar).toEqual(job.initContainers[0]);
    expect({ ...chartJob, initContainers: [] }).toEqual({ ...job, initContainers: [] });
    const set = (manifests: readonly Manifest[]) => ofKind(manifests, "StatefulSet").spec;
    const [chartSet, shared] = [set(charts.shared), set(kustomize("shared"))];
    const { imagePullPolicy: __, ...daemon } = chartSet.template.spec.containers[0];
    expect(daemon).toEqual(shared.template.spec.containers[0]);
    expect(chartSet.template.spec.securityContext).toEqual(shared.template.spec.securityContext);
    expect(chartSet.volumeClaimTemplates[0].spec).toEqual(shared.volumeClaimTemplates[0].spec);
  });
});
