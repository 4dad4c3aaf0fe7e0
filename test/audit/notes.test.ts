import {
  ConfigServiceService,
  DaemonServiceService,
  DatasetServiceService,
  RegistryServiceService,
  TrackerServiceService,
} from "@pipekit/proto";
import { expect, test, vi } from "vitest";
import { Refusals, subjectOf, withoutSecrets } from "../../daemon/audit/index.ts";
import { askedOf, isAudited, shortMethod } from "../../daemon/rpc/audited.ts";
import { entriesOf, openLog } from "./room.ts";

const METHODS = [
  TrackerServiceService,
  RegistryServiceService,
  ConfigServiceService,
  DaemonServiceService,
  DatasetServiceService,
].flatMap((service) => Object.values(service).map(({ path }) => path));

test("every method that moves tags, collects, forgets, copies or stops is told of", () => {
  const told = METHODS.filter(isAudited).map((path) => path.split("/").at(-1));
  expect(told).toEqual(
    expect.arrayContaining([
      ...[
        "Store",
        "StoreWithProgress",
        "Tag",
        "RollbackTag",
        "DeleteTag",
        "Pin",
        "Unpin",
        "Gc",
        "Copy",
        "Export",
      ],
      ...["Import", "Sync", "RedriveDeadLetters", "Shutdown", "Prune", "HandOver"],
    ]),
  );
  expect(told).not.toEqual(expect.arrayContaining(["Log"]));
  expect(isAudited("/pipekit.experiment.v1.TrackerService/NotLookedAt")).toBe(true);
  expect(isAudited("/grpc.health.v1.Health/Check")).toBe(false);
  expect(shortMethod(RegistryServiceService.tag.path)).toBe("RegistryService/Tag");
});

test("of a store only one with a tag is told, of collections and prunings only those that apply", () => {
  const header = { registry: "", name: "production", hashOnly: false, operatorJson: "{}" };
  const part = (value: object) => ({ part: { $case: "header", value } });
  expect(askedOf(part(header))).toEqual({ name: "production" });
  expect(askedOf({ request: part(header) })).toEqual({ name: "production" });
  expect(askedOf(part({ ...header, name: "" }))).toBeUndefined();
  expect(askedOf(part({ ...header, hashOnly: true }))).toBeUndefined();
  expect(askedOf({ part: { $case: "weightsChunk", value: Buffer.from("x") } })).toBeUndefined();
  expect(askedOf({ registry: "s3://b/", apply: false })).toBeUndefined();
  expect(askedOf({ registry: "s3://b/", apply: true })).toEqual({ registry: "s3://b/", apply: true });
});

test("a subject holds no secrets, nothing unknown, and no more than a few hundred bytes", () => {
  const spec = "mlflow+https://ann:hunter2@host/x?token=hunter2&base=/hunter2";
  expect(withoutSecrets(spec)).toBe("mlflow+https://host/x?token=...&base=...");
  const subject = subjectOf({
    registry: spec,
    sinks: [spec, "s3://key:hunter2@bucket"],
    name: `${"x".repeat(199)}😀`,
    refs: Array.from({ length: 10_000 }, (_, i) => `r${i}`),
    password: "hunter2",
    operatorJson: "hunter2",
    steps: Number.NaN,
    force: false,
  });
  expect(JSON.stringify(subject)).not.toContain("hunter2");
  expect(subject["refs"]).toHaveLength(21);
  expect(String(subject["name"]).isWellFormed()).toBe(true);
  expect(JSON.stringify(subject).length).toBeLessThan(1000);
  expect(Object.keys(subject)).toEqual(["registry", "sinks", "name", "refs"]);
});

test("a flood of refusals is one entry at once and one a minute later for each address, and few in all", async () => {
  vi.useFakeTimers();
  try {
    const { log } = openLog();
    const refusals = new Refusals(log);
    const refusal = {
      address: "10.0.0.1",
      principal: "",
      method: "RegistryService/Tag",
      outcome: "UNAUTHENTICATED",
    };
    for (let i = 0; i < 5000; i++) refusals.note(refusal);
    for (let i = 0; i < 1000; i++) refusals.note({ ...refusal, address: `10.1.0.${i}` });
    expect(log.end.seq).toBe(32);
    vi.advanceTimersByTime(60_000);
    const told = await entriesOf(log);
    expect(told).toHaveLength(34);
    expect(told[0]).toMatchObject({
      kind: "refused",
      peer: "10.0.0.1",
      count: 1,
      outcome: "UNAUTHENTICATED",
    });
    expect(told.slice(-2)).toMatchObject([
      { peer: "10.0.0.1", count: 4999 },
      { peer: "others", count: 969 },
    ]);
    refusals.note(refusal);
    expect(log.end.seq).toBe(35);
    refusals.flush();
    expect(log.end.seq).toBe(35);
  } finally {
    vi.useRealTimers();
  }
});
