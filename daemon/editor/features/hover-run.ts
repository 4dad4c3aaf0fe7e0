/** What a hover tells of a run. */
import type { RunBrief, RunDocument, SeriesDocument, SinkDocument } from "@pipekit/proto/editor";
import { count, counted, duration, moment } from "../../format.ts";
import { type Card, type Fact, joined, type Piece } from "./card.ts";
import { ago, value } from "./words.ts";

const MOST_METRICS = 8;

/** The card of a run; whole when the daemon told it, else as lists know it. */
export function runCard(run: RunBrief | RunDocument, now: number, notes: readonly string[]): Card {
  const { runId, name, state, reason, startedAtUs, endedAtUs, points, sinks } = run;
  const ended = endedAtUs > 0 ? `, took ${duration(endedAtUs - startedAtUs)}` : "";
  const facts: Fact[] = [
    { label: "Run", pieces: [{ code: runId }] },
    { label: "State", pieces: [state + (reason === "" ? "" : `: ${reason}`)] },
    { label: "Started", pieces: [`${moment(startedAtUs)} (${ago(startedAtUs, now)})${ended}`] },
    { label: "Points", pieces: [count(points)] },
    ...metrics(run),
    ...sinks.map((sink) => sinkFact(sink, now)),
  ];
  return { title: ["Run ", { code: name === "" ? runId : name }], facts, notes };
}

function metrics(run: RunBrief | RunDocument): Fact[] {
  if (!("series" in run)) {
    const { headline } = run;
    if (headline === undefined) return [];
    return [
      {
        label: "Last",
        pieces: [{ code: headline.key }, ` ${value(headline.value)} at step ${headline.step}`],
      },
    ];
  }
  const { series, headline } = run;
  if (series.length === 0) return [];
  const isFirst = ({ key }: SeriesDocument) => key === headline?.key;
  const ordered = [...series.filter(isFirst), ...series.filter((one) => !isFirst(one))];
  const shown = ordered
    .slice(0, MOST_METRICS)
    .map(({ key, lastValue, lastStep }): Piece[] => [
      { code: key },
      ` ${value(lastValue)} at step ${lastStep}`,
    ]);
  const more =
    series.length > MOST_METRICS ? [` and ${counted(series.length - MOST_METRICS, "more metric")}`] : [];
  return [{ label: "Last", pieces: [...joined(shown, ", "), ...more] }];
}

function sinkFact(sink: SinkDocument, now: number): Fact {
  const { spec, state, pointsPending, pointsDead, pendingSinceUs, lastError, remoteUrl } = sink;
  const behind = pendingSinceUs > 0 ? `, ${duration(now - pendingSinceUs)} behind` : "";
  const pieces: Piece[] = [{ code: spec }, ` ${state}${behind}`];
  if (pointsPending > 0) pieces.push(`, ${counted(pointsPending, "point")} to send`);
  if (pointsDead > 0) pieces.push(`, ${counted(pointsDead, "point")} refused`);
  if (lastError !== "") pieces.push(`: ${lastError}`);
  if (remoteUrl !== "") pieces.push(" ", { link: remoteUrl });
  return { label: "Sink", pieces };
}
