/** Tags under which OmegaConf saves a `pathlib.Path`, as the list of its parts. */
export const PATH_TAG = /^tag:yaml\.org,2002:python\/object\/apply:pathlib\.(?:Posix)?Path$/;

/** The text of `pathlib.PosixPath(*parts)`. */
export function joinedPath(parts: readonly string[]): string {
  const from = parts.findLastIndex((part) => part.startsWith("/"));
  const text = parts.slice(Math.max(0, from)).join("/");
  const names = text.split("/").filter((name) => name !== "" && name !== ".");
  const root = text.startsWith("/") ? "/" : "";
  return root + names.join("/") || ".";
}
