/** Places of the page, as they stand behind `#` in its address: `#/runs`, `#/run/ID`, `#/compare/ID,ID`, ... */

export type Route =
  | { readonly view: "runs" }
  | { readonly view: "run"; readonly runId: string }
  | { readonly view: "compare"; readonly runIds: readonly string[] }
  | { readonly view: "models"; readonly registry: string }
  | { readonly view: "model"; readonly ref: string; readonly registry: string }
  | { readonly view: "tag"; readonly name: string; readonly registry: string }
  | { readonly view: "dead-letters"; readonly runId: string };

/** As many runs as one chart can tell apart. */
export const MAX_COMPARED = 12;

/** The place that an address names; undefined where it names none. A registry other than the daemon's own stands as `?registry=SPEC`. */
export function parseRoute(hash: string): Route | undefined {
  const [path = "", query = ""] = hash.replace(/^#/, "").split(/\?(.*)/s);
  const registry = new URLSearchParams(query).get("registry") ?? "";
  const [, view = "", ...rest] = path.split("/");
  const argument = decoded(rest.join("/"));
  if (argument === undefined) return undefined;
  if (argument === "") {
    if (view === "" || view === "runs") return { view: "runs" };
    if (view === "models") return { view: "models", registry };
    if (view === "dead-letters") return { view: "dead-letters", runId: "" };
    return undefined;
  }
  switch (view) {
    case "run":
      return { view: "run", runId: argument };
    case "compare": {
      const runIds = [...new Set(argument.split(",").filter((id) => id !== ""))].slice(0, MAX_COMPARED);
      return runIds.length === 0 ? undefined : { view: "compare", runIds };
    }
    case "model":
      return { view: "model", ref: argument, registry };
    case "tag":
      return { view: "tag", name: argument, registry };
    case "dead-letters":
      return { view: "dead-letters", runId: argument };
    default:
      return undefined;
  }
}

/** The address of a place; `parseRoute` reads it back. */
export function formatRoute(route: Route): string {
  switch (route.view) {
    case "runs":
      return "#/runs";
    case "run":
      return `#/run/${encodeURIComponent(route.runId)}`;
    case "compare":
      return `#/compare/${route.runIds.map(encodeURIComponent).join(",")}`;
    case "models":
      return `#/models${ofRegistry(route.registry)}`;
    case "model":
      return `#/model/${encodeURIComponent(route.ref)}${ofRegistry(route.registry)}`;
    case "tag":
      return `#/tag/${encodeURIComponent(route.name)}${ofRegistry(route.registry)}`;
    case "dead-letters":
      return route.runId === "" ? "#/dead-letters" : `#/dead-letters/${encodeURIComponent(route.runId)}`;
  }
}

function ofRegistry(registry: string): string {
  return registry === "" ? "" : `?${new URLSearchParams({ registry })}`;
}

function decoded(text: string): string | undefined {
  try {
    return decodeURIComponent(text);
  } catch {
    return undefined;
  }
}
