import {
  ConfigServiceService,
  DaemonServiceService,
  DatasetServiceService,
  PipekitError,
  RegistryServiceService,
  TrackerServiceService,
} from "@pipekit/proto";
import { expect, test } from "vitest";
import { isDecided, Permission, type RoleText, ruleOf } from "../../daemon/access/index.ts";
import { grantOf } from "../../daemon/access/roles.ts";

const METHODS = [
  ...Object.values(TrackerServiceService),
  ...Object.values(RegistryServiceService),
  ...Object.values(ConfigServiceService),
  ...Object.values(DaemonServiceService),
  ...Object.values(DatasetServiceService),
];

/** What principals with one role each may call at all. */
function callable(role: RoleText): string[] {
  const names = {
    run: () => Promise.reject(new Error("not asked")),
    registry: (spec: string) => spec || "default",
  };
  const permission = new Permission(() => [grantOf(role)], names);
  return METHODS.map(({ path }) => path).filter((path) => {
    try {
      permission.checkMethod("somebody", path);
      return true;
    } catch (error) {
      expect(error).toBeInstanceOf(PipekitError);
      return false;
    }
  });
}

test("somebody has decided about every method of every service", () => {
  expect(METHODS.map(({ path }) => path).filter((path) => !isDecided(path))).toEqual([]);
});

test("a method that nobody knows is for admins", () => {
  expect(ruleOf("/pipekit.experiment.v1.TrackerService/NotThere").least).toBe("administer");
  expect(ruleOf("/grpc.health.v1.Health/Check").least).toBe("greet");
});

test("the methods of each role", () => {
  const short = (role: RoleText["role"]) =>
    callable({ role, runs: ["*"] }).map((path) => path.split("/").at(-1));
  const reader = [
    ...[
      "DescribeRegistry",
      "Diff",
      "Gc",
      "GetRun",
      "Hello",
      "List",
      "ListDeadLetters",
      "ListPins",
      "ListRuns",
    ],
    // Log: each of its frames is looked at.
    ...[
      "ListTags",
      "Load",
      "Log",
      "ParseConfig",
      "ReadMetrics",
      "ResolveTag",
      "SinkStatus",
      "Stat",
      "Status",
    ],
    ...["TagHistory", "WatchMetrics", "WatchRuns", "WatchTag"],
  ];
  expect(short("reader").sort()).toEqual(reader);
  const beyond = (role: RoleText["role"]) =>
    short(role)
      .filter((name = "") => !reader.includes(name))
      .sort();
  expect(beyond("writer")).toEqual([
    "AttachArtifact",
    "EndRun",
    "StartRun",
    "Store",
    "StoreWithProgress",
    "Sync",
    "Tag",
  ]);
  expect(beyond("promoter")).toEqual(["DeleteTag", "Pin", "RollbackTag", "Tag", "Unpin"]);
  expect(callable({ role: "admin" }).length).toBe(METHODS.length);
});
