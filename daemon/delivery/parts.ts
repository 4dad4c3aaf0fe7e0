import type { AdapterContext } from "@pipekit/adapters/tracker";
import type { Logger } from "pino";
import type { Journal } from "../journal/journal.ts";
import type { Clock } from "./clock.ts";
import type { CrashPoint } from "./ledger.ts";
import type { Limits } from "./limits.ts";
import type { DeliveryObserver } from "./observer.ts";
import type { ContentPaths } from "./translate.ts";
import type { Turns } from "./turns.ts";

/** What a sink's loop needs of its surroundings; shared by all. */
export interface SinkParts {
  readonly journal: Journal;
  readonly content: ContentPaths;
  readonly context: AdapterContext;
  readonly clock: Clock;
  readonly random: () => number;
  readonly limits: Limits;
  readonly log: Logger;
  readonly crashpoint: (name: CrashPoint) => void;
  readonly observer: DeliveryObserver | undefined;
  /** Bounds the journal reads of all sinks. */
  readonly reads: Turns;
  readonly onSaved: (runId: string) => void;
  /** Told when a loop becomes quiet (nothing to send, refused, ended) or busy. */
  readonly onQuiet: (sink: object, quiet: boolean) => void;
}
