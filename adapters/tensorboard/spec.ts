/**
 * Specs of TensorBoard log folders: `tensorboard:///absolute/folder`. Each run is a folder below it, named by the run's
 * name and the end of its id, as in `my-run-4Q7ZK2M9`; point `tensorboard --logdir` at the folder.
 */
import { formatFolderSpec, parseFolderSpec } from "../folder-spec.ts";
import { SpecError } from "../tracker.ts";

export const SCHEME = "tensorboard";

const EXAMPLE = "tensorboard:///home/me/runs";

/** The folder of a spec. Throws SpecError. */
export function folderOf(spec: string): string {
  const { folder, query } = parseFolderSpec(spec, SCHEME, EXAMPLE);
  if (query !== "")
    throw new SpecError("A tensorboard spec takes no query.", `Write it like \`${EXAMPLE}\`.`);
  return folder;
}

/** The one spelling of a spec. Throws SpecError. */
export function canonicalSpec(spec: string): string {
  return formatFolderSpec(SCHEME, folderOf(spec));
}
