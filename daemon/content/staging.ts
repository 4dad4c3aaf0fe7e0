import { realpath } from "node:fs/promises";
import { isAbsolute, sep } from "node:path";
import { PipekitError } from "@pipekit/proto";
import { unreadable } from "./walk.ts";

/**
 * Checks that a client's path is absolute and, when the daemon is to take the file away, that it really lies in the
 * staging folder. Returns the path to use. Throws INVALID_ARGUMENT, ARTIFACT_UNREADABLE.
 */
export async function checkClientPath(
  path: string,
  staged: boolean,
  stagingFolder: string,
  field: string,
): Promise<string> {
  if (!isAbsolute(path) || path.includes("\0")) {
    throw new PipekitError("INVALID_ARGUMENT", `The path ${JSON.stringify(path)} is not absolute.`, {
      field,
      mend: "Give an absolute path on the daemon's host.",
    });
  }
  if (!staged) return path;
  const real = await realpath(path).catch((error: unknown) => {
    throw unreadable(path, "it does not exist", error);
  });
  const folder = await realpath(stagingFolder).catch(() => undefined);
  if (folder === undefined || !real.startsWith(folder + sep)) {
    throw new PipekitError("INVALID_ARGUMENT", `${path} does not lie in the staging folder.`, {
      field,
      mend: `Stage files in ${stagingFolder}, or send the path without \`staged\`.`,
    });
  }
  return real;
}
