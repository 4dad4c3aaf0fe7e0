/**
 * The real daemon, which ends itself by kill -9 at a named point: each start takes the first line off the file
 * `$PKX_TEST_CRASHES`, such as `after-send:3` for the third time that it comes to that point. Points are those of
 * delivery, and `before-append` and `after-append` of a frame. `POINT@KIND:3` is that of one kind of sink, named by the
 * scheme of its spec: `before-`, `during-` and `after-` of `open`, `send` and `finish`, and before and after `cursor`;
 * `during-send@KIND:3+2` is 2 ms after the call began. `timer:250` is 250 ms after the start. `$PKX_TEST_LIMITS` are
 * limits of delivery, JSON; `$PKX_TEST_MAX_POINTS` is the most points of a batch.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { clearmlTracker } from "@pipekit/adapters/clearml";
import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { tensorboardTracker } from "@pipekit/adapters/tensorboard";
import type { TrackerAdapter, TrackerKind } from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import type { Journal } from "../../daemon/journal/index.ts";
import { openRooms } from "../../daemon/rooms.ts";
import { serve } from "../../daemon/serve.ts";

const [point = "", when = ""] = takeLine(process.env["PKX_TEST_CRASHES"] ?? "").split(":");
const [nth = 0, afterMs = 0] = when.split("+").map(Number);
const limits = JSON.parse(process.env["PKX_TEST_LIMITS"] ?? "{}") as object;
const maxPoints = Number(process.env["PKX_TEST_MAX_POINTS"] ?? Number.POSITIVE_INFINITY);
/** How many times as often as else a throttled tracker may be called: the faults are what is waited for. */
const HASTE = 10;
let passed = 0;

function takeLine(file: string): string {
  if (!existsSync(file)) return "";
  const [line = "", ...rest] = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, rest.join("\n"));
  return line;
}

function die(): void {
  process.kill(process.pid, "SIGKILL");
}

function crashpoint(name: string): void {
  if (name !== point || ++passed !== nth) return;
  if (afterMs === 0) die();
  else setTimeout(die, afterMs);
}

async function around<T>(name: string, scheme: string, call: () => Promise<T>): Promise<T> {
  crashpoint(`before-${name}@${scheme}`);
  const answer = call();
  crashpoint(`during-${name}@${scheme}`);
  const result = await answer;
  crashpoint(`after-${name}@${scheme}`);
  return result;
}

const schemeOf = (spec: string): string => spec.slice(0, spec.indexOf(":"));

function mortal(adapter: TrackerAdapter, spec: string): TrackerAdapter {
  const scheme = schemeOf(spec);
  const { maxPoints: most, requestsPerSecond } = adapter.properties;
  return {
    properties: {
      ...adapter.properties,
      maxPoints: Math.min(maxPoints, most),
      requestsPerSecond: requestsPerSecond * HASTE,
    },
    open: (...args) => around("open", scheme, () => adapter.open(...args)),
    send: (...args) => around("send", scheme, () => adapter.send(...args)),
    finish: (...args) => around("finish", scheme, () => adapter.finish(...args)),
    count: (...args) => adapter.count(...args),
    takeMemo: () => adapter.takeMemo(),
    takeNotes: () => adapter.takeNotes(),
    close: () => adapter.close(),
  };
}

/** The kinds are given to delivery as they are, so it is they that change. */
function wrapKind(kind: TrackerKind): void {
  const connect = kind.connect.bind(kind);
  Object.assign(kind, {
    connect: (...args: Parameters<TrackerKind["connect"]>) => mortal(connect(...args), args[0]),
  });
}

function wrapJournal(journal: Journal): Journal {
  const append = journal.append.bind(journal);
  journal.append = async (...args) => {
    crashpoint("before-append");
    const result = await append(...args);
    crashpoint("after-append");
    return result;
  };
  const saveSink = journal.saveSink.bind(journal);
  journal.saveSink = (...args) => around("cursor", schemeOf(args[0].spec), () => saveSink(...args));
  return journal;
}

for (const kind of [mlflowTracker, tensorboardTracker, wandbTracker, clearmlTracker]) wrapKind(kind);
if (point === "timer") setTimeout(die, nth);
await serve(process.argv.slice(3), (context) => openRooms(context, { crashpoint, limits, wrapJournal }));
