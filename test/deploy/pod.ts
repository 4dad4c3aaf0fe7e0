/**
 * Runs the containers of a manifest as the kubelet does: the same arguments, environment, user and probes, a root folder
 * that is read-only, volumes with the owners and modes of a cluster. What it leaves out: images, cgroups, namespaces of pids.
 */
import { type ChildProcess, execFileSync, spawn, spawnSync } from "node:child_process";
import { once } from "node:events";
import { chmodSync, mkdirSync, mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { toolPath } from "../support/tools.ts";
import { imageEnvironment } from "./image.ts";

/** A user that owns nothing here, without groups and capabilities; followed by a command. */
const STRANGER = [
  "--reuid",
  "10001",
  "--regid",
  "10001",
  "--clear-groups",
  "--no-new-privs",
  "--bounding-set=-all",
];
/**
 * Whether folders can be mounted, and another user runs Node and the Python client: else all runs as this user, in a root
 * folder that can be written.
 */
export const canIsolate =
  process.getuid?.() === 0 &&
  succeeds("unshare", ["--mount", "true"]) &&
  succeeds("setpriv", [...STRANGER, process.execPath, "--version"]) &&
  succeeds("setpriv", [...STRANGER, toolPath("python"), "-c", "import pipekit_experiment"]);

function succeeds(program: string, args: readonly string[]): boolean {
  return spawnSync(program, args, { cwd: "/", stdio: "ignore" }).status === 0;
}

interface Probe {
  readonly exec: { readonly command: readonly string[] };
  readonly periodSeconds: number;
  readonly timeoutSeconds: number;
  readonly failureThreshold?: number;
}

/** What is read of a container. */
export interface Container {
  readonly name: string;
  readonly args?: readonly string[];
  readonly env?: readonly { readonly name: string; readonly value: string }[];
  readonly startupProbe: Probe;
  readonly livenessProbe: Probe;
  readonly readinessProbe: Probe;
  readonly lifecycle: { readonly preStop: { readonly exec: { readonly command: readonly string[] } } };
  readonly volumeMounts: readonly { readonly name: string; readonly mountPath: string }[];
}

/** What is read of a pod. */
export interface PodSpec {
  readonly securityContext: {
    readonly runAsUser: number;
    readonly runAsGroup: number;
    readonly fsGroup?: number;
  };
  readonly terminationGracePeriodSeconds: number;
  readonly initContainers?: readonly Container[];
  readonly containers: readonly Container[];
}

/** A process of a container. */
export interface ContainerProcess {
  readonly child: ChildProcess;
  /** Exit code; a signal's name when it was killed. */
  readonly ended: Promise<number | NodeJS.Signals | null>;
  /** What it wrote so far, to both. */
  output(): string;
}

export class Pod {
  readonly #spec: PodSpec;
  readonly #program: string;
  readonly #folder = mkdtempSync(join(tmpdir(), "pkx-"));
  readonly #children: ChildProcess[] = [];

  /** `program` is pkx.mjs of a bundle, which the pod's user can read. */
  constructor(spec: PodSpec, program: string) {
    this.#spec = spec;
    this.#program = program;
    // As the mount points of a container: they belong to root, and may be passed.
    chmodSync(this.#folder, 0o755);
    for (const { volumeMounts } of this.containers()) {
      for (const { name } of volumeMounts) this.#makeVolume(name);
    }
  }

  containers(): readonly Container[] {
    return [...(this.#spec.initContainers ?? []), ...this.#spec.containers];
  }

  container(name: string): Container {
    const found = this.containers().find((container) => container.name === name);
    if (found === undefined) throw new Error(`the pod has no container ${name}`);
    return found;
  }

  volume(name: string): string {
    return join(this.#folder, name);
  }

  /** A folder as the kubelet makes one: an emptyDir's mode is 0777; with fsGroup it is the group's, which new files get, too. */
  #makeVolume(name: string): void {
    const path = this.volume(name);
    mkdirSync(path, { recursive: true });
    const { fsGroup } = this.#spec.securityContext;
    if (fsGroup !== undefined && canIsolate) execFileSync("chown", [`0:${fsGroup}`, path]);
    chmodSync(path, fsGroup === undefined ? 0o777 : 0o2777);
  }

  /** Where a path of the container lies. */
  place(container: Container, path: string): string {
    const mount = container.volumeMounts.find(({ mountPath }) => `${path}/`.startsWith(`${mountPath}/`));
    return mount === undefined ? path : this.volume(mount.name) + path.slice(mount.mountPath.length);
  }

  /** The environment: the image's, then the manifest's, then `more`. */
  environment(container: Container, more: NodeJS.ProcessEnv = {}): NodeJS.ProcessEnv {
    const given = (container.env ?? []).map(({ name, value }) => [name, value] as const);
    const set = [...imageEnvironment(), ...given].map(([name, value]) => [
      name,
      this.place(container, value),
    ]);
    return { PATH: process.env["PATH"], ...Object.fromEntries(set), ...more };
  }

  /** Starts a process in a container. */
  start(container: Container, command: readonly string[], more: NodeJS.ProcessEnv = {}): ContainerProcess {
    const [program = "", ...args] = command;
    const real = program === "pkx" ? [process.execPath, this.#program, ...args] : command;
    const [first = "", ...rest] = canIsolate ? this.#isolated(container, real) : real;
    const env = this.environment(container, more);
    const child = spawn(first, rest, { env, stdio: ["ignore", "pipe", "pipe"], cwd: "/" });
    this.#children.push(child);
    let output = "";
    for (const stream of [child.stdout, child.stderr]) stream?.on("data", (chunk) => (output += chunk));
    const ended = once(child, "close").then(([code, signal]) => code ?? signal);
    return { child, ended, output: () => output };
  }

  /** As the container's user, without capabilities, in a root folder that is read-only. */
  #isolated(container: Container, command: readonly string[]): string[] {
    const { runAsUser, runAsGroup, fsGroup } = this.#spec.securityContext;
    const volumes = container.volumeMounts.map(({ name }) => this.volume(name));
    const script = [
      "set -e",
      'while [ "$1" != -- ]; do mount --bind "$1" "$1"; shift; done; shift',
      "mount -o remount,bind,ro /",
      'exec "$@"',
    ].join("\n");
    const groups = fsGroup === undefined ? ["--clear-groups"] : ["--groups", String(fsGroup)];
    const ids = ["--reuid", String(runAsUser), "--regid", String(runAsGroup), ...groups];
    const nothing = ["--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"];
    return [
      ...["unshare", "--mount", "--propagation", "private", "sh", "-c", script, "sh", ...volumes, "--"],
      ...["setpriv", ...ids, ...nothing, ...command],
    ];
  }

  /** Runs a command to its end. */
  async exec(container: Container, command: readonly string[]): Promise<{ code: unknown; output: string }> {
    const process = this.start(container, command);
    return { code: await process.ended, output: process.output() };
  }

  /** Runs the startup probe until it passes. Throws when it failed too often. */
  async untilStarted(container: Container, daemon: ContainerProcess): Promise<void> {
    const { exec, periodSeconds, failureThreshold = 3 } = container.startupProbe;
    let last = "";
    for (let tries = 0; tries < failureThreshold; tries++) {
      const { code, output } = await this.exec(container, exec.command);
      if (code === 0) return;
      last = output;
      if (daemon.child.exitCode !== null) break;
      await sleep((periodSeconds * 1000) / 5);
    }
    throw new Error(`The startup probe failed: ${last}\n${daemon.output()}`);
  }

  /** Kills what is left and removes the volumes. */
  close(): void {
    for (const child of this.#children) child.kill("SIGKILL");
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5 });
  }
}
