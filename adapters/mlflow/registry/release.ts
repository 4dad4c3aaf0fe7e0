/** Which MLflow a server is: before 2.17 it cannot delete a single file of the artifacts that it keeps in a folder. */

import { BackendRefused } from "@pipekit/adapters/registry";
import type { MlflowApi } from "../api.ts";

const OLDEST = [2, 17] as const;

/** Throws BackendRefused for a server that says that it is too old. One that says nothing is taken. */
export async function refuseOldRelease(api: MlflowApi, signal: AbortSignal): Promise<void> {
  const answer = await api.open("GET", `${api.url}/version`, {}, signal);
  if (!answer.ok) return;
  const release = (await answer.value.text()).trim();
  const [, major, minor] = /^(\d+)\.(\d+)\b/.exec(release) ?? [];
  if (major === undefined || minor === undefined) return;
  if (Number(major) > OLDEST[0] || (Number(major) === OLDEST[0] && Number(minor) >= OLDEST[1])) return;
  throw new BackendRefused(
    `MLflow ${release} cannot remove a single file, which a registry has to.`,
    `Use MLflow ${OLDEST.join(".")} or later, or an \`s3://\` registry.`,
  );
}
