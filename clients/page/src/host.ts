/** The page's way to runs and models: `pkx ui` in a browser, or the extension around VS Code's webview. */
import type {
  EditorFailure,
  EditorMethod,
  EditorNotification,
  EditorNotifications,
  EditorParams,
  EditorResults,
} from "@pipekit/proto/editor";

/** `lost`: it is tried again; `refused`: it is not, and `mend` says what the person can do. */
export interface Connection {
  readonly state: "open" | "lost" | "refused";
  readonly message: string;
  readonly mend: string;
}

export type NotificationListener = <N extends EditorNotification>(
  method: N,
  params: EditorNotifications[N],
) => void;

export interface HostListeners {
  readonly notified: NotificationListener;
  readonly connection: (connection: Connection) => void;
  /** What was followed is followed no longer: another session has begun. */
  readonly restarted: () => void;
  /** The host wants the page to show a place, as it stands behind `#`. */
  readonly navigate: (hash: string) => void;
}

export interface Host {
  /** Begins to tell what happens. Called once. */
  listen(listeners: HostListeners): void;
  /** Throws RequestFailure, or the signal's reason. */
  request<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    signal?: AbortSignal,
  ): Promise<EditorResults[M]>;
  /** Whether an editor surrounds the page: it has no address bar, and no button to go back. */
  readonly inEditor: boolean;
  /** Where the page was when it was last shown; empty where that is not kept. */
  savedRoute(): string;
  saveRoute(hash: string): void;
}

/** A request that was refused, with what a person can do about it. */
export class RequestFailure extends Error {
  override readonly name = "RequestFailure";
  readonly code: EditorFailure["code"];
  readonly field: string;
  readonly mend: string;

  constructor(failure: EditorFailure) {
    super(failure.message);
    this.code = failure.code;
    this.field = failure.field;
    this.mend = failure.mend;
  }
}

/** The failure of whatever was thrown. */
export function failureOf(thrown: unknown): RequestFailure {
  if (thrown instanceof RequestFailure) return thrown;
  const message = thrown instanceof Error ? thrown.message : String(thrown);
  return new RequestFailure({ code: "INTERNAL", message, field: "", mend: "" });
}
