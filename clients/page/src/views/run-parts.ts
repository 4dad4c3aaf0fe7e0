/** What the page of a run says above its charts. */
import type { RunBrief, RunDocument, SinkDocument } from "@pipekit/proto/editor";
import { type Child, copyButton, element, fill, outsideLink, setText, userText } from "../dom.ts";
import { flatten } from "../flatten.ts";
import { counted, formatBytes, formatCount, formatDuration, formatTime, nowUs, sinkLag } from "../format.ts";
import { placeLink } from "../links.ts";
import { stateBadge } from "../run-parts.ts";
import { facts, folded, searchableTable, table } from "../tables.ts";

const CLOCK_MS = 1000;
const SINK_TITLES = ["Sink", "State", "Sent", "Pending", "Lag", "Dead", "Last error"];

/** What changes while the run goes on; the rest of it stands. */
export class RunHead {
  readonly root: HTMLElement;
  readonly #state = element("span", {});
  readonly #length = element("span", {});
  readonly #points = element("span", {});
  readonly #sinks = element("div", { class: "run-sinks" });
  #run: RunBrief;

  constructor(run: RunDocument, life: AbortSignal) {
    this.#run = run;
    const tags = Object.entries(run.tags).map(([name, value]) =>
      element("li", {}, userText(value === "" ? name : `${name}=${value}`)),
    );
    this.root = element(
      "div",
      { class: "run-head" },
      facts(
        ["State", this.#state],
        [
          "Run",
          element("span", {}, element("code", {}, run.runId), " ", copyButton(run.runId, "the run's id")),
        ],
        ["Started", formatTime(run.startedAtUs)],
        ["Took", this.#length],
        ["Points", this.#points],
        ["Tags", tags.length > 0 && element("ul", { class: "tags" }, ...tags)],
        ["Process", run.host !== "" && userText(`${run.host}, pid ${run.pid}, ${run.client}`)],
        ["Pipeline", run.pipelineHash !== "" && element("code", {}, run.pipelineHash)],
      ),
      this.#sinks,
    );
    const clock = setInterval(() => document.hidden || this.#tick(), CLOCK_MS);
    life.addEventListener("abort", () => clearInterval(clock));
  }

  show(run: RunBrief): void {
    this.#run = run;
    const reason = run.reason === "" ? "" : element("span", {}, ": ", userText(run.reason));
    fill(this.#state, stateBadge(run.state), reason);
    setText(this.#points, formatCount(run.points));
    this.#tick();
  }

  #tick(): void {
    const { startedAtUs, endedAtUs, sinks } = this.#run;
    setText(this.#length, formatDuration((endedAtUs || nowUs()) - startedAtUs));
    // What a person has focused or marked in the table stays while nothing in it differs.
    const made = sinksPart(this.#run);
    if (this.#sinks.textContent !== made.textContent || sinks.length === 0) fill(this.#sinks, made);
  }
}

function sinksPart(run: RunBrief): HTMLElement {
  if (run.sinks.length === 0)
    return element("p", { class: "faint" }, "This run goes to no tracker; it is kept here.");
  const rows = run.sinks.map((sink) => sinkRow(run.runId, sink));
  return element("div", {}, element("h2", {}, "Sinks"), table(SINK_TITLES, rows, "Sinks"));
}

function sinkRow(runId: string, sink: SinkDocument): Child[] {
  const { spec, remoteUrl, state, lastError, retryAtUs, pointsDead, notes } = sink;
  const bad = state === "refused" || lastError !== "";
  const retry = retryAtUs > nowUs() && ` Next try in ${formatDuration(retryAtUs - nowUs())}.`;
  const dead = pointsDead > 0 ? placeLink({ view: "dead-letters", runId }, formatCount(pointsDead)) : "0";
  return [
    remoteUrl === "" ? userText(spec) : outsideLink(remoteUrl, spec),
    element("span", { class: bad ? "bad" : "plain" }, state),
    formatCount(sink.pointsSent),
    formatCount(sink.pointsPending),
    sinkLag(sink, nowUs()),
    dead,
    element("span", {}, userText([lastError, ...notes].filter(Boolean).join(" ")), retry),
  ];
}

/** Config and params of a run, to be searched. */
export function configPart(run: RunDocument): HTMLElement {
  const lines = [...flatten(run.config), ...Object.entries(run.params)];
  if (lines.length === 0) return element("p", { class: "faint" }, "This run has no config and no params.");
  return folded(
    "Config and params",
    counted(lines.length, "entry", "entries"),
    searchableTable("config and params", lines),
  );
}

export function artifactsPart({ artifacts }: RunDocument): HTMLElement | undefined {
  if (artifacts.length === 0) return undefined;
  const rows = artifacts.flatMap(({ name, uri, files }) =>
    files.length === 0
      ? [[userText(name), userText(uri), "", ""]]
      : files.map(({ path, size, sha256 }) => [
          userText(name),
          userText(path),
          formatBytes(size),
          element(
            "span",
            {},
            element("code", {}, sha256.slice(0, 12)),
            " ",
            copyButton(sha256, `the digest of ${path}`),
          ),
        ]),
  );
  return folded(
    "Artifacts",
    counted(artifacts.length, "artifact"),
    table(["Artifact", "File", "Size", "SHA-256"], rows, "Artifacts"),
  );
}
