/** What a fault of the server is to a registry: unavailable for now, or refused until a person has acted. */

import { BackendRefused, BackendUnavailable } from "@pipekit/adapters/registry";
import type { Fault } from "../faults.ts";

const CREDENTIALS_MEND =
  "Set MLFLOW_TRACKING_USERNAME and MLFLOW_TRACKING_PASSWORD, or MLFLOW_TRACKING_TOKEN, for the daemon, or name " +
  "others in the spec (`?token=env:NAME`); the user must be allowed to read and edit this registered model.";
const NO_REGISTRY_MEND =
  "Start MLflow with a database (`mlflow server --backend-store-uri sqlite:///mlflow.db`), version 2.3 or later, and " +
  "name its `base` in the spec when it lives under a path.";
const NO_PROXY_MEND =
  "Start MLflow with --serve-artifacts and --artifacts-destination, so that it keeps the files itself, or use an " +
  "`s3://` registry.";

/** The error to throw for a fault that no further try mends. */
export function failureOf(fault: Fault): BackendRefused | BackendUnavailable {
  const reason = fault.reason.replaceAll("tracker spec", "registry spec");
  if (fault.status === 401 || fault.status === 403) return new BackendRefused(reason, CREDENTIALS_MEND);
  if (fault.kind === "unsupported") return new BackendRefused(reason, NO_PROXY_MEND);
  if (fault.kind === "tooLarge") {
    return new BackendRefused(reason, "Raise the limit on request bodies of the proxy before MLflow.");
  }
  const noRegistry =
    fault.status === 404 ? fault.kind === "transient" : /Model Registry features are not/i.test(reason);
  if (noRegistry) return new BackendRefused(`There is no model registry: ${reason}`, NO_REGISTRY_MEND);
  if (fault.kind === "transient") {
    return new BackendUnavailable(reason, "See that the server runs and that the daemon's host reaches it.");
  }
  return new BackendRefused(reason, "Look at the server's log; what MLflow refuses once it refuses again.");
}

/** Of a registered model that is no longer there. */
export function modelGone(name: string): BackendRefused {
  return new BackendRefused(
    `MLflow has no registered model \`${name}\` any more: somebody deleted or renamed it.`,
    "Name the new one in the spec, or restart the daemon to have it made anew; files of models are still there.",
  );
}

/** Of a server that expects clients to write to its store by themselves. */
export function unproxied(location: string): BackendRefused {
  const where = /^[a-z0-9+.-]+:/i.exec(location)?.[0] ?? "a folder";
  return new BackendRefused(
    `MLflow does not keep files itself but expects clients to write to its store (${where}).`,
    NO_PROXY_MEND,
  );
}
