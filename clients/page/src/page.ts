/** What every view of the page is given. */
import type { DaemonDocument, EditorNotification, EditorNotifications } from "@pipekit/proto/editor";
import type { Host } from "./host.ts";
import type { KnownRuns } from "./known-runs.ts";
import type { Route } from "./router.ts";

export interface Page {
  readonly host: Host;
  readonly runs: KnownRuns;
  /** How the daemon is, as it was told last. */
  readonly daemon: DaemonDocument | undefined;
  /** Whether all runs were listed once. */
  readonly listed: boolean;
  go(route: Route): void;
  /** Told to who listens to the page; shown nowhere. */
  announce(text: string): void;
  on<N extends EditorNotification>(
    method: N,
    told: (params: EditorNotifications[N]) => void,
    signal: AbortSignal,
  ): void;
  /** Called when what was followed is followed no longer. */
  onRestart(restarted: () => void, signal: AbortSignal): void;
}

/** One place of the page. */
export interface View {
  readonly title: string;
  readonly root: HTMLElement;
  /** Keys that mean something here, for the list behind `?`. */
  readonly keys?: readonly (readonly [key: string, meaning: string])[];
  /** Takes a key that no field took; true when it meant something. */
  pressed?(key: string): boolean;
}

/** Makes a view that lives until the signal aborts. */
export type ViewMaker<R extends Route["view"]> = (
  page: Page,
  route: Extract<Route, { view: R }>,
  life: AbortSignal,
) => View;
