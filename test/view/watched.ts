/** A session of a view with all that it was told. */
import { rmSync } from "node:fs";
import { type Client, connect } from "@pipekit/experiment";
import type {
  EditorMethod,
  EditorNotification,
  EditorNotifications,
  EditorParams,
  EditorResults,
} from "@pipekit/proto/editor";
import { openView, type View, type ViewSession } from "../../daemon/view/index.ts";
import { startDaemon, type TestDaemon } from "../support/daemon.ts";

interface Told<N extends EditorNotification = EditorNotification> {
  readonly method: N;
  readonly params: EditorNotifications[N];
}

export class Watched {
  readonly told: Told[] = [];
  readonly session: ViewSession;
  readonly #waiting = new Set<() => void>();

  constructor(view: View) {
    this.session = view.session((method, params) => {
      this.told.push({ method, params });
      for (const look of [...this.#waiting]) look();
    });
  }

  ask<M extends EditorMethod>(method: M, params: EditorParams<M>, signal?: AbortSignal) {
    return this.session.request(method, params, signal) as Promise<EditorResults[M]>;
  }

  of<N extends EditorNotification>(method: N): EditorNotifications[N][] {
    return this.told.filter((one): one is Told<N> => one.method === method).map(({ params }) => params);
  }

  /** Resolves once something that it was told, before or from now on, fits. */
  async until<N extends EditorNotification>(
    method: N,
    fits: (params: EditorNotifications[N]) => boolean,
    timeoutMs = 15_000,
  ): Promise<EditorNotifications[N]> {
    const { promise, resolve, reject } = Promise.withResolvers<EditorNotifications[N]>();
    const look = () => {
      const found = this.of(method).find(fits);
      if (found !== undefined) resolve(found);
    };
    this.#waiting.add(look);
    const timer = setTimeout(
      () =>
        reject(new Error(`Not told within ${timeoutMs} ms; last: ${JSON.stringify(this.of(method).at(-1))}`)),
      timeoutMs,
    );
    look();
    return promise.finally(() => {
      clearTimeout(timer);
      this.#waiting.delete(look);
    });
  }
}

/** The points of a followed run, put together as a face does it. */
export function followed(
  first: EditorResults["pipekit/follow"],
  told: readonly EditorNotifications["pipekit/points"][],
) {
  let values = new Map<string, unknown[]>();
  const take = (series: EditorResults["pipekit/follow"]["series"]) => {
    for (const { key, values: more } of series) values.set(key, [...(values.get(key) ?? []), ...more]);
  };
  take(first.series);
  for (const { follow, series, restart } of told) {
    if (follow !== first.follow) continue;
    if (restart) values = new Map();
    take(series);
  }
  return values;
}

/** A view of a daemon that the test starts and stops. */
export function viewOf(daemon: TestDaemon, more: { mayChange?: boolean } = {}): View {
  return openView({ env: daemon.clientEnv, start: false, ...more });
}

/** A daemon, a client that works at it, and a view of it. */
export interface Scene {
  readonly daemon: TestDaemon;
  readonly client: Client;
  readonly view: View;
}

export async function openScene(): Promise<Scene> {
  const daemon = await startDaemon();
  return { daemon, client: await connect({ env: daemon.clientEnv }), view: viewOf(daemon) };
}

/** Ends what a scene is now, and removes the daemon's folders, also where a test has started it anew there. */
export async function closeScene({ daemon, client, view }: Scene): Promise<void> {
  view.close();
  client.close();
  await daemon.stop();
  rmSync(daemon.home, { recursive: true, force: true });
}
