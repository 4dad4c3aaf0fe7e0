/** Failures of remotes, as sentences that name the remote. */
import { DatasetFault } from "../../dataset.ts";
import { isPassing } from "../../files.ts";
import { BackendRefused, BackendUnavailable } from "../../registry.ts";

/** What the system says of a folder that is a remote. */
const SAID: Readonly<Record<string, string>> = {
  EACCES: "the daemon's user has no right to",
  EPERM: "the daemon's user has no right to",
  EROFS: "its file system is read-only",
  ENOSPC: "its disk is full",
  EDQUOT: "its owner's quota is used up",
  ENOTDIR: "a file lies where a folder should",
  EIO: "its disk has an I/O error",
  ESTALE: "its network file system was mounted anew",
  ETIMEDOUT: "its network file system does not answer",
};

/** A remote that is away, or does not permit what is asked. `reason` is half a sentence. */
export function remoteFault(name: string, reason: string, mend: string, cause?: unknown): DatasetFault {
  return new DatasetFault("remote", `The remote \`${name}\` cannot be used: ${reason}.`, {
    field: `remote "${name}"`,
    mend,
    cause,
  });
}

/** A setting of a remote that cannot be used. `fault` is half a sentence. */
export function settingFault(name: string, key: string, fault: string, mend: string): DatasetFault {
  return new DatasetFault("invalid", `The setting \`${key}\` of the remote \`${name}\` ${fault}.`, {
    field: `remote "${name}".${key}`,
    mend,
  });
}

/** The failure of a call to an S3 server, as the remote's; what it is not is returned as it is. */
export function ofServer(name: string, error: unknown): unknown {
  if (error instanceof BackendUnavailable) {
    return remoteFault(name, withoutStop(error.message), error.mend, error);
  }
  if (!(error instanceof BackendRefused)) return error;
  const mend = `See url, region, endpointurl, profile and keys of the remote \`${name}\` in .dvc/config and .dvc/config.local.`;
  return remoteFault(name, withoutStop(error.message), mend, error);
}

/** The failure of an operation on files of a remote, as the remote's; what it is not is returned as it is. */
export function ofFolder(name: string, folder: string, error: unknown): unknown {
  if (!(error instanceof Error) || !("code" in error) || typeof error.code !== "string") return error;
  if (error.code === "ABORT_ERR" || isPassing(error)) return error;
  const said = SAID[error.code] ?? `the system says ${error.code}`;
  return remoteFault(name, `${said} (${folder})`, `Mend the folder ${folder}, or the remote's url.`, error);
}

function withoutStop(sentence: string): string {
  return sentence.replace(/\.$/, "");
}
