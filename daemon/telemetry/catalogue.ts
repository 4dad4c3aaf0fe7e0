/**
 * Every metric of the daemon. docs/monitoring.md shows this table, and a test compares them.
 *
 * Architecture Invariant: no label has a value that users choose without limit: no run, model, tag, path or address.
 *
 * Names, units and labels outside of `pipekit.` are those of the OpenTelemetry semantic conventions (1.45).
 */

/** What a metric is. Values of `counter` and `histogram` are pushed, those of the others asked for at each reading. */
export type MetricKind = "counter" | "histogram" | "observed-counter" | "gauge";

export interface Metric {
  readonly name: string;
  readonly kind: MetricKind;
  /** UCUM: `s`, `By`, `1`, or what is counted, in braces. */
  readonly unit: string;
  readonly description: string;
  readonly labels: readonly string[];
}

/** Seconds; from what a disk takes to what a far tracker takes. */
export const SECONDS_BOUNDARIES = [
  0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120,
];

export const METRICS = {
  journalFrames: counter("pipekit.journal.frames", "{frame}", "Frames journaled."),
  journalPoints: counter("pipekit.journal.points", "{point}", "Metric points journaled."),
  journalWritten: counter("pipekit.journal.written", "By", "Bytes of the frames journaled."),
  appendTime: histogram(
    "pipekit.journal.append.duration",
    "From handing a frame to the journal until it is on disk.",
    ["outcome"],
  ),
  commitTime: histogram(
    "pipekit.journal.commit.duration",
    "Transactions of the journal, from begin to commit.",
  ),
  syncTime: histogram("pipekit.journal.sync.duration", "Their last part, which waits for the disk (fsync)."),
  journalSize: gauge("pipekit.journal.size", "By", "The journal's file and its log."),
  runs: gauge("pipekit.runs", "{run}", "Runs that the journal knows.", ["state"]),
  droppedPoints: counter(
    "pipekit.client.dropped",
    "{point}",
    "Points that clients say they had no room for.",
  ),
  drainedFrames: counter(
    "pipekit.spool.frames",
    "{frame}",
    "Frames taken in that processes which died had left.",
    ["outcome"],
  ),

  backlog: gauge(
    "pipekit.delivery.backlog",
    "{point}",
    "Points journaled and not yet taken by a sink, summed.",
    ["sink.kind", "state"],
  ),
  lag: gauge("pipekit.delivery.lag", "s", "Age of the oldest frame that a sink has not yet taken.", [
    "sink.kind",
    "state",
  ]),
  sinks: gauge("pipekit.delivery.sinks", "{sink}", "Sinks that are not done, of runs.", [
    "sink.kind",
    "state",
  ]),
  callTime: histogram("pipekit.delivery.call.duration", "Calls to trackers; each `send` is a batch.", [
    "sink.kind",
    "call",
    "outcome",
  ]),
  setbacks: counter("pipekit.delivery.setbacks", "{setback}", "Calls that had to be made again.", [
    "sink.kind",
    "cause",
  ]),
  deliveredPoints: counter(
    "pipekit.delivery.points",
    "{point}",
    "Points that a sink took, or refused for good.",
    ["sink.kind", "outcome"],
  ),
  endpoints: gauge(
    "pipekit.delivery.endpoints",
    "{endpoint}",
    "Endpoints in use; `open` ones do not answer and are only probed.",
    ["sink.kind", "breaker"],
  ),
  deadLetters: gauge(
    "pipekit.delivery.dead_letters",
    "{letter}",
    "Dead letters: what sinks refused for good.",
  ),
  comparisons: counter(
    "pipekit.delivery.comparisons",
    "{run}",
    "Ended runs whose points were counted in the tool.",
    ["sink.kind", "outcome"],
  ),
  differences: counter("pipekit.delivery.differences", "{point}", "Points by which those counts differ.", [
    "sink.kind",
    "direction",
  ]),

  registryTime: histogram("pipekit.registry.operation.duration", "Calls to model registries.", [
    "operation",
    "registry.kind",
    "outcome",
  ]),
  cacheUses: observedCounter(
    "pipekit.registry.cache.requests",
    "{request}",
    "Weights of registries elsewhere that were wanted.",
    ["outcome"],
  ),
  cacheFetched: observedCounter("pipekit.registry.cache.fetched", "By", "Weights fetched into the cache."),
  collectedModels: counter(
    "pipekit.registry.collected.models",
    "{model}",
    "Models that collections deleted.",
    ["registry.kind"],
  ),
  collectedBytes: counter("pipekit.registry.collected.size", "By", "Bytes of those models.", [
    "registry.kind",
  ]),

  rpcTime: histogram("rpc.server.call.duration", "Calls of clients; a stream counts when it ends.", [
    "rpc.system.name",
    "rpc.method",
    "rpc.response.status_code",
  ]),
  openCalls: gauge("pipekit.rpc.open_calls", "{call}", "Calls and streams that are open."),

  refusals: counter("pipekit.access.refusals", "{refusal}", "Calls and connections that were refused.", [
    "outcome",
  ]),

  diskUsed: gauge("pipekit.disk.used", "By", "What the state folder takes: journal, content and spool."),
  diskFree: gauge("pipekit.disk.free", "By", "Free on the state folder's disk."),
  diskQuota: gauge("pipekit.disk.quota", "By", "Most that the state folder may take; 0 for no limit."),

  memory: gauge("process.memory.usage", "By", "Resident memory."),
  heap: gauge("v8js.memory.heap.used", "By", "JavaScript heap in use."),
  files: gauge("process.unix.file_descriptor.count", "{file_descriptor}", "Open file descriptors."),
  cpu: observedCounter("process.cpu.time", "s", "Processor time.", ["cpu.mode"]),
  loopDelayMedian: gauge(
    "nodejs.eventloop.delay.p50",
    "s",
    "Delay of the event loop since the reading before, median.",
  ),
  loopDelayHigh: gauge("nodejs.eventloop.delay.p99", "s", "The same, 99th percentile."),
  loopDelayMost: gauge("nodejs.eventloop.delay.max", "s", "The same, largest."),
  uptime: gauge("process.uptime", "s", "Since the daemon's start."),
  build: gauge("pipekit.build.info", "1", "Always 1; the labels tell the versions.", ["version", "node"]),
  exports: counter("pipekit.telemetry.exports", "{export}", "Exports to the OTLP endpoint.", [
    "signal",
    "outcome",
  ]),
} as const satisfies { readonly [key: string]: Metric };

type Labels = readonly string[];

function counter(name: string, unit: string, description: string, labels: Labels = []) {
  return { kind: "counter", name, unit, description, labels } as const;
}

function observedCounter(name: string, unit: string, description: string, labels: Labels = []) {
  return { kind: "observed-counter", name, unit, description, labels } as const;
}

function gauge(name: string, unit: string, description: string, labels: Labels = []) {
  return { kind: "gauge", name, unit, description, labels } as const;
}

/** Of seconds. */
function histogram(name: string, description: string, labels: Labels = []) {
  return { kind: "histogram", name, unit: "s", description, labels } as const;
}
