/** Backups as the daemon makes them; their code is loaded when the first is asked for. */
import { existsSync } from "node:fs";
import { KeyedMutex } from "@pipekit/adapters/keyed-mutex";
import { undisturbed } from "@pipekit/adapters/local";
import type { BackupMade, BackupRequest, Progress } from "@pipekit/proto";
import type { BackupSource } from "./backup/index.ts";
import { VERSION } from "./version.ts";

export interface HostedBackups {
  make(
    request: BackupRequest,
    onProgress: (progress: Progress) => void,
    signal: AbortSignal,
  ): Promise<BackupMade>;
}

export interface BackupParts extends Omit<BackupSource, "withModelsHeld" | "version"> {
  readonly modelsFolder: string;
}

/** One backup at a time: a second waits. */
export function hostedBackups({ modelsFolder, ...parts }: BackupParts): HostedBackups {
  const turns = new KeyedMutex();
  const withModelsHeld: BackupSource["withModelsHeld"] = (work, signal) =>
    existsSync(modelsFolder) ? undisturbed(modelsFolder, work, signal) : work();
  return {
    make: (request, onProgress, signal) =>
      turns.run("", async () => {
        signal.throwIfAborted();
        const { makeBackup } = await import("./backup/index.ts");
        return makeBackup({ ...parts, withModelsHeld, version: VERSION }, request, onProgress, signal);
      }),
  };
}
