/** Which lines of history and events a file that cannot be rewritten takes now, and which may still change. */
import { addEvents, addPoints, type Point, type Row, type RowState, type Written } from "../history.ts";
import { isSystemKey } from "../keys.ts";
import type { Memo } from "./memo.ts";

type States = Pick<Memo, "history" | "events">;

/** What points have made of the lines. */
export interface Lines extends States {
  /** Lines that are whole now. */
  readonly rows: readonly Row[];
  readonly eventRows: readonly Row[];
}

export function addToLines(before: States, points: readonly Point[]): Lines {
  const history = addPoints(
    before.history,
    points.filter(({ key }) => !isSystemKey(key)),
  );
  const events = addEvents(
    before.events,
    points.filter(({ key }) => isSystemKey(key)),
  );
  return {
    history: history.state,
    events: events.state,
    rows: wholeRows(before.history, history),
    eventRows: wholeRows(before.events, events),
  };
}

/** The lines between the states' `lines`: the one that was open before is among them, grown or not. */
function wholeRows(before: RowState, { state, offset, rows }: Written): readonly Row[] {
  const whole = rows.slice(0, state.lines - offset);
  const isKnown = offset > before.lines && before.open !== undefined;
  return isKnown && before.open !== undefined ? [before.open, ...whole] : whole;
}
