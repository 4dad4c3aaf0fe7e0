/** The two services every gRPC tool knows: health (grpc.health.v1) and reflection (grpc.reflection.v1, v1alpha). */
import { existsSync } from "node:fs";
import { join, resolve } from "node:path";
import type { Server, ServiceDefinition, UntypedServiceImplementation } from "@grpc/grpc-js";
import type { HealthImplementation, ServingStatus } from "grpc-health-check";
import { LazyService, type LoadedService, type MethodShape } from "./lazy.ts";

/** Names under which health is asked for; the empty name is the daemon as a whole. */
const HEALTH_NAMES = [
  "",
  "TrackerService",
  "RegistryService",
  "ConfigService",
  "DatasetService",
  "DaemonService",
].map((name) => (name === "" ? name : `pipekit.experiment.v1.${name}`));

const PROTO_FILES = ["config", "daemon", "dataset", "registry", "tracker"].map(
  (name) => `pipekit/experiment/v1/${name}.proto`,
);

const UNARY: MethodShape = { requestStream: false, responseStream: false };
const SERVER_STREAM: MethodShape = { requestStream: false, responseStream: true };
const BIDI: MethodShape = { requestStream: true, responseStream: true };

/** Health of the daemon: SERVING until set otherwise. */
export class Health {
  #status: ServingStatus = "SERVING";
  #implementation: HealthImplementation | undefined;

  readonly service = new LazyService(
    "grpc.health.v1.Health",
    { Check: UNARY, List: UNARY, Watch: SERVER_STREAM },
    async () => {
      // The default export: a bundler does not see the named ones of a CommonJS package that is loaded late.
      const { default: library } = await import("grpc-health-check");
      const health = new library.HealthImplementation();
      for (const name of HEALTH_NAMES) health.setStatus(name, this.#status);
      this.#implementation = health;
      return takeService(health, "grpc.health.v1.Health");
    },
  );

  set(status: ServingStatus): void {
    this.#status = status;
    for (const name of HEALTH_NAMES) this.#implementation?.setStatus(name, status);
  }
}

/** Reflection, in both versions that tools ask for. */
export function reflectionServices(): LazyService[] {
  return ["grpc.reflection.v1", "grpc.reflection.v1alpha"].map((version) => {
    const name = `${version}.ServerReflection`;
    return new LazyService(name, { ServerReflectionInfo: BIDI }, async () => {
      const [{ default: reflection }, { default: loader }] = await Promise.all([
        import("@grpc/reflection"),
        import("@grpc/proto-loader"),
      ]);
      const definition = await loader.load(PROTO_FILES, { includeDirs: [protoFolder()] });
      return takeService(new reflection.ReflectionService(definition), name);
    });
  });
}

/** The folder of the .proto files: beside the code in the bundle, else in the source tree. */
function protoFolder(): string {
  const bundled = join(import.meta.dirname, "proto");
  return existsSync(bundled) ? bundled : resolve(import.meta.dirname, "../../proto");
}

/** What a library would add to a server, under the name of one service. */
function takeService(library: { addToServer(server: Server): void }, name: string): LoadedService {
  let found: LoadedService | undefined;
  const catcher = {
    addService(definition: ServiceDefinition, implementation: UntypedServiceImplementation) {
      const path = Object.values(definition)[0]?.path ?? "";
      if (path.startsWith(`/${name}/`)) found = { definition, implementation };
    },
  };
  library.addToServer(catcher as unknown as Server);
  if (found === undefined) throw new Error(`the library has no service ${name}`);
  return found;
}
