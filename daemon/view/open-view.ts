import { PipekitError } from "@pipekit/proto";
import type { EditorMethod, EditorParams, EditorResults } from "@pipekit/proto/editor";
import { Link } from "./link.ts";
import { LiveModelIndex } from "./model-index.ts";
import type { Desk, DeskMethod } from "./requests/desk.ts";
import { answer } from "./requests/index.ts";
import { LiveRunIndex } from "./run-index.ts";
import { Session } from "./session.ts";
import type { Notify, View, ViewOptions, ViewSession } from "./view.ts";

/** Opens a view. Nothing is looked for before something is asked. */
export function openView(options: ViewOptions): View {
  return new OpenView(options);
}

class OpenView implements View, Desk {
  readonly link: Link;
  readonly runs: LiveRunIndex;
  readonly #models = new Map<string, LiveModelIndex>();
  readonly #sessions = new Set<Session>();

  constructor(options: ViewOptions) {
    this.link = new Link(options);
    this.runs = new LiveRunIndex(this.link);
  }

  models(registry: string): LiveModelIndex {
    const known = this.#models.get(registry);
    if (known !== undefined) return known;
    // Specs come from files that people open: what nobody uses any more is let go.
    for (const [spec, index] of this.#models) {
      if (!index.isIdle) continue;
      index.close();
      this.#models.delete(spec);
    }
    const index = new LiveModelIndex(this.link, registry);
    this.#models.set(registry, index);
    return index;
  }

  async ask<M extends EditorMethod>(
    method: M,
    params: EditorParams<M>,
    signal?: AbortSignal,
  ): Promise<EditorResults[M]> {
    if (method === "pipekit/follow" || method === "pipekit/unfollow") {
      throw new PipekitError("INVALID_ARGUMENT", `${method} belongs to a session.`, {
        field: "method",
        mend: "Ask it of a session.",
      });
    }
    const result = await answer(this, method as M & DeskMethod, params, signal);
    return result as EditorResults[M];
  }

  session(notify: Notify): ViewSession {
    const session: Session = new Session(this, notify, () => this.#sessions.delete(session));
    this.#sessions.add(session);
    return session;
  }

  close(): void {
    for (const session of [...this.#sessions]) session.close();
    for (const index of this.#models.values()) index.close();
    this.runs.close();
    this.link.close();
  }
}
