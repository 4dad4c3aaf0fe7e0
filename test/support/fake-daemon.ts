/** A daemon in this process, kept in memory: the wire contract and nothing else, with faults to order. */
import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import {
  DaemonServiceService,
  type HelloRequest,
  type PruneRequest,
  type PruneResponse,
  RegistryServiceService,
  TrackerServiceService,
} from "@pipekit/proto";
import { serverStream, unary } from "./fake-calls.ts";
import { FakeRegistryService } from "./fake-registry-service.ts";
import { FakeTrackerService } from "./fake-tracker-service.ts";

/** Starts and stops a gRPC server at one socket; what it holds outlives a stop. */
export class FakeDaemon {
  readonly folder = mkdtempSync(join(tmpdir(), "pkx-fake-"));
  readonly socket = join(this.folder, "d.sock");
  readonly endpoint = `unix:${this.socket}`;
  readonly tracker = new FakeTrackerService();
  readonly registry = new FakeRegistryService(this.folder);
  hello: (request: HelloRequest) => void = () => undefined;
  /** What it says that it can do beyond version 1. */
  readonly capabilities: string[] = [];
  shutdowns: number[] = [];
  warnings: string[] = [];
  readonly prunes: PruneRequest[] = [];
  /** What a prune tells. */
  pruned: PruneResponse[] = [];
  #server: Server | undefined;

  async start(): Promise<this> {
    const server = new Server({ "grpc.max_receive_message_length": 16 * 1024 * 1024 });
    server.addService(DaemonServiceService, this.#daemonService());
    server.addService(TrackerServiceService, this.tracker.handlers());
    server.addService(RegistryServiceService, this.registry.handlers());
    await new Promise<void>((done, fail) => {
      server.bindAsync(this.endpoint, ServerCredentials.createInsecure(), (error) =>
        error ? fail(error) : done(),
      );
    });
    this.#server = server;
    return this;
  }

  /** Breaks every connection, as a killed process would. */
  stop(): void {
    this.#server?.forceShutdown();
    this.#server = undefined;
    this.registry.forgetWatchers();
    rmSync(this.socket, { force: true });
  }

  remove(): void {
    this.stop();
    rmSync(this.folder, { recursive: true, force: true });
  }

  #daemonService() {
    return {
      hello: unary((request: HelloRequest) => {
        this.hello(request);
        return {
          protocol: 1,
          daemonVersion: "0.1.0",
          capabilities: this.capabilities,
          stateFolder: this.folder,
          pid: process.pid,
          stagingFolder: join(this.folder, "staging"),
          principal: "socket:fake",
          roles: [],
        };
      }),
      status: unary(() => ({
        daemonVersion: "0.1.0",
        pid: process.pid,
        startedAtUs: 1_700_000_000_000_000,
        stateFolder: this.folder,
        endpoint: this.endpoint,
        journalBytes: 4096,
        frames: this.tracker.frames.length,
        points: [...this.tracker.runs.values()].reduce((sum, run) => sum + run.points.length, 0),
        runsRunning: 0,
        runs: this.tracker.runs.size,
        pointsPending: 0,
        deadLetters: 0,
        rssBytes: 50 * 1024 * 1024,
        draining: false,
        idleExitS: 900,
        logFile: join(this.folder, "daemon.log"),
        diskQuotaBytes: 10 * 1024 ** 3,
        diskUsedBytes: 8 * 1024 ** 3,
        diskFreeBytes: 50 * 1024 ** 3,
        warnings: this.warnings,
      })),
      prune: serverStream(
        async function* (this: FakeDaemon, request: PruneRequest) {
          this.prunes.push(request);
          yield* this.pruned;
        }.bind(this),
      ),
      shutdown: unary(({ waitForDeliveryS }: { waitForDeliveryS: number }) => {
        this.shutdowns.push(waitForDeliveryS);
        setTimeout(() => this.stop(), 20);
        return { pointsPending: 7 };
      }),
    };
  }
}
