/**
 * What each method of the daemon asks for: which deed, and on which names of the request.
 *
 * Architecture Invariant: a method that is not in this table is for admins alone.
 */
import "./model-rules.ts";
import "./run-rules.ts";
import { ConfigServiceService, DaemonServiceService, DatasetServiceService } from "@pipekit/proto";
import { forAll, type Rule, rules } from "./rules.ts";

forAll(DaemonServiceService, "greet", "hello", "status");
forAll(
  DaemonServiceService,
  "administer",
  "shutdown",
  "prune",
  "handOver",
  "readAudit",
  "verifyAudit",
  "backup",
);
forAll(ConfigServiceService, "greet", "parseConfig");
forAll(ConfigServiceService, "administer", "readHydraRun");
forAll(DatasetServiceService, "administer", ...Object.keys(DatasetServiceService));

const ADMIN: Rule = { least: "administer", asks: () => [] };
const STANDARD: Rule = { least: "greet", asks: () => [] };
const STANDARD_PATHS = /^\/grpc\.(?:health|reflection)\./;

/** The rule of a method, by its path. */
export function ruleOf(path: string): Rule {
  return rules.get(path) ?? (STANDARD_PATHS.test(path) ? STANDARD : ADMIN);
}

/** Whether somebody has decided about a method. */
export function isDecided(path: string): boolean {
  return rules.has(path);
}
