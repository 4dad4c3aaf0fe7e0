/** One life of the daemon in a room: what it does until it dies, as kill -9 would have it, and nothing after. */

import type { TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import type { Journal } from "../../daemon/journal/index.ts";

/** One start of the daemon. */
export interface Life {
  dead: boolean;
}

/** What a room wants to see, or to be otherwise, of the calls of adapters. */
export interface Watch {
  /** Called before each call. */
  readonly before?: (call: "open" | "send" | "finish") => void;
  /** Most points of a batch, so that there are several. */
  readonly maxPoints?: number;
}

/** Nothing is done any more by who is dead. */
export function mustLive(life: Life): void {
  if (life.dead) throw new Error("kill -9");
}

/** The journal, in which a dead daemon saves no cursor. */
export function mortalJournal(journal: Journal, life: Life): Journal {
  const saveSink: Journal["saveSink"] = async (...args) => {
    mustLive(life);
    return journal.saveSink(...args);
  };
  return new Proxy(journal, {
    get: (target, name) => {
      if (name === "saveSink") return saveSink;
      const member: unknown = Reflect.get(target, name, target);
      return typeof member === "function" ? member.bind(target) : member;
    },
  });
}

/** The tool's kind, whose adapters a dead daemon neither calls nor closes. `adapters` gets each of them, for closing. */
export function mortalKind(
  kind: TrackerKind,
  life: Life,
  watch: Watch,
  adapters: TrackerAdapter[],
): TrackerKind {
  const before = (call: "open" | "send" | "finish") => {
    mustLive(life);
    watch.before?.(call);
  };
  return {
    schemes: kind.schemes,
    parse: (spec) => kind.parse(spec),
    throttleKey: (spec) => kind.throttleKey(spec),
    connect: (spec, context) => {
      const adapter = kind.connect(spec, context);
      adapters.push(adapter);
      const maxPoints = Math.min(adapter.properties.maxPoints, watch.maxPoints ?? Number.POSITIVE_INFINITY);
      // How calls are spaced is delivery's doing, and costs only time here.
      const requestsPerSecond = Number.POSITIVE_INFINITY;
      return {
        properties: { ...adapter.properties, maxPoints, requestsPerSecond },
        open: async (...args) => {
          before("open");
          return await adapter.open(...args);
        },
        send: async (...args) => {
          before("send");
          return await adapter.send(...args);
        },
        finish: async (...args) => {
          before("finish");
          return await adapter.finish(...args);
        },
        count: (...args) => adapter.count(...args),
        takeMemo: () => adapter.takeMemo(),
        takeNotes: () => adapter.takeNotes(),
        close: async () => (life.dead ? undefined : await adapter.close()),
      };
    },
  };
}
