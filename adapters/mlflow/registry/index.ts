/** Registries in MLflow. Grammar of their specs: spec.ts. What MLflow shows of them: versions.ts, aliases.ts, card.ts. */

import { homedir } from "node:os";
import type { BackendContext, RegistryBackend, RegistryKind } from "@pipekit/adapters/registry";
import { MlflowApi, type Timeouts } from "../api.ts";
import { Credentials } from "../credentials.ts";
import { SCHEMES, trackingUrl } from "../spec.ts";
import { MlflowBackend } from "./backend.ts";
import { Files } from "./files.ts";
import { findHome } from "./home.ts";
import { RegisteredModel } from "./registered-model.ts";
import { PATIENCE, type Patience, Server } from "./server.ts";
import { parseRegistrySpec } from "./spec.ts";
import { Versions } from "./versions.ts";

export const mlflowRegistry: RegistryKind = mlflowRegistryWith({});

/** The same kind with other limits. */
export function mlflowRegistryWith(limits: {
  readonly patience?: Patience;
  readonly timeouts?: Timeouts;
}): RegistryKind {
  return {
    schemes: SCHEMES,
    parse: (spec) => parseRegistrySpec(spec).canonical,
    async open(text: string, context: BackendContext): Promise<RegistryBackend> {
      const spec = parseRegistrySpec(text);
      const named = { ...spec.server, experiment: spec.name };
      const { env } = context;
      const credentials = new Credentials(named, { env, home: env["HOME"] ?? homedir() });
      const api = new MlflowApi(trackingUrl(named), credentials, limits.timeouts);
      const server = new Server(api, limits.patience ?? PATIENCE);
      const home = await findHome(server, spec.name, new AbortController().signal);
      const versions = new Versions(server, spec.name, home, spec.place);
      const model = new RegisteredModel(server, spec.name);
      const files = new Files(server, home.root);
      return new MlflowBackend(spec, { server, home, model, versions, files }, context.scratch);
    },
  };
}
