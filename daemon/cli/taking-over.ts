/** Sees to it that a restored folder and the one that was backed up do not both deliver the same runs from this host. */
import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { hostname } from "node:os";
import { join } from "node:path";
import { PipekitError } from "@pipekit/experiment";
import { SUPERSEDED } from "../backup/marks.ts";
import { stateLayout } from "../config/index.ts";
import { StateLock } from "../lifecycle/index.ts";

export class TakingOver {
  readonly #folder: string;
  readonly #delivers: boolean;
  #lock: StateLock | undefined;
  /** The folder in which no daemon starts any more; empty when there is none. */
  superseded = "";

  /** `folder` is the one that a backup is restored to. */
  constructor(folder: string, delivers: boolean) {
    this.#folder = realpathSync(folder);
    this.#delivers = delivers;
  }

  /** Marks the folder that was backed up, when it is here. Throws INVALID_ARGUMENT when its daemon runs, or it cannot be marked. */
  decide({ folder, host }: { readonly folder: string; readonly host: string }): void {
    const { journalFile, lockFile } = stateLayout(folder);
    const isHere = host === hostname() && existsSync(journalFile);
    if (!this.#delivers || !isHere || realpathSync(folder) === this.#folder) return;
    this.#lock = this.#mark(folder, () => StateLock.take(lockFile));
    if (this.#lock === undefined) {
      throw refused(
        `The daemon of ${folder} runs, and would deliver the same runs as the one of ${this.#folder}`,
        "stop it first (`pkx stop`)",
      );
    }
    const text = `${JSON.stringify({ by: this.#folder, at_us: Date.now() * 1000 })}\n`;
    this.#mark(folder, () => writeFileSync(join(folder, SUPERSEDED), text, { mode: 0o600, flush: true }));
    this.superseded = folder;
  }

  /** The folder that was backed up is nobody's again. */
  release(): void {
    this.#lock?.release();
  }

  #mark<T>(folder: string, work: () => T): T {
    try {
      return work();
    } catch (cause) {
      throw refused(
        `${folder} cannot be marked, so that no daemon would deliver its runs beside the one of ${this.#folder}`,
        "remove that folder, or make it yours",
        cause,
      );
    }
  }
}

function refused(what: string, first: string, cause?: unknown): PipekitError {
  return new PipekitError("INVALID_ARGUMENT", `${what}.`, {
    field: "state-dir",
    mend: `Do one of two: ${first}, or restore a copy to look at with --without-delivery.`,
    cause,
  });
}
