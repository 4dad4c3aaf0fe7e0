/** A registry on a fake remote backend, with a cache of its own. */
import { mkdir, mkdtemp, readdir, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Progress } from "@pipekit/proto";
import { createRegistries, type Registries, type Registry } from "../../daemon/registry/index.ts";
import { silent } from "../contract/registry-harness.ts";
import { FakeRemote } from "./fake-remote.ts";

export interface RemoteFixture {
  readonly remote: FakeRemote;
  readonly registry: Registry;
  /** Folder with the models. */
  readonly root: string;
  readonly cacheFolder: string;
  readonly stagingFolder: string;
  /** The registries of a daemon that was started just now. */
  registries(part?: { cacheBytes?: number; spec?: string }): Registries;
  /** Its default registry. */
  again(part?: { cacheBytes?: number; spec?: string }): Promise<Registry>;
  /** Names of what is still being fetched, or was left. */
  temps(): Promise<string[]>;
  close(): Promise<void>;
}

/** `cacheFolder` elsewhere than beside the models. */
export async function remoteFixture(
  part: { cacheBytes?: number; cacheFolder?: string } = {},
): Promise<RemoteFixture> {
  const folder = await mkdtemp(join(tmpdir(), "pkx-remote-"));
  const [root, stagingFolder] = [join(folder, "models"), join(folder, "staging")];
  const cacheFolder = part.cacheFolder ?? join(folder, "cache");
  await mkdir(stagingFolder);
  const remote = new FakeRemote();
  const registries: RemoteFixture["registries"] = ({
    cacheBytes = part.cacheBytes,
    spec = `fake:${root}`,
  } = {}) =>
    createRegistries({
      kinds: [remote],
      defaultSpec: spec,
      stagingFolder,
      cacheFolder,
      cacheBytes,
      env: {},
      log: silent,
    });
  const again: RemoteFixture["again"] = (options) => registries(options).open("");
  return {
    remote,
    registry: await again(),
    root,
    cacheFolder,
    stagingFolder,
    registries,
    again,
    temps: () => readdir(join(cacheFolder, "weights", "tmp")).catch(() => []),
    close: () => rm(folder, { recursive: true, force: true }),
  };
}

/** Collects the phases that a call tells, each once, and its last message. */
export class Heard {
  readonly phases: string[] = [];
  last: Progress | undefined;

  readonly onProgress = (progress: Progress): void => {
    if (
      this.last !== undefined &&
      this.last.phase === progress.phase &&
      progress.bytesDone < this.last.bytesDone
    )
      throw new Error("The progress went back.");
    if (this.phases.at(-1) !== progress.phase) this.phases.push(progress.phase);
    this.last = progress;
  };
}
