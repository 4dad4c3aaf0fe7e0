import { afterEach, beforeEach, expect, test, vi } from "vitest";
import { Rhythm } from "../../daemon/view/rhythm.ts";

const SECOND = 1000;
const MINUTE = 60 * SECOND;

let rhythm: Rhythm;
let looks: number;
/** What each look takes, milliseconds. */
let tookMs: number;
let heard: boolean;

beforeEach(() => {
  vi.useFakeTimers();
  looks = 0;
  tookMs = 0;
  heard = true;
  rhythm = new Rhythm({
    periodMs: SECOND,
    isHeard: () => heard,
    look: () => {
      looks += 1;
      rhythm.looked(tookMs);
    },
  });
});

afterEach(() => {
  rhythm.close();
  vi.useRealTimers();
});

function looksIn(ms: number): number {
  const before = looks;
  vi.advanceTimersByTime(ms);
  return looks - before;
}

test("while somebody asks it is looked at each period, and dear looks take a twentieth of the time", () => {
  rhythm.use();
  expect(looksIn(10 * SECOND)).toBe(10);
  rhythm.use();
  tookMs = 200;
  looksIn(SECOND);
  expect(looksIn(20 * SECOND)).toBe(5);
});

test("while somebody only listens it is looked at seldom: dear looks take a two-hundredth of the time", () => {
  rhythm.use();
  looksIn(2 * MINUTE);
  expect(looksIn(MINUTE)).toBe(6);
  tookMs = 150;
  looksIn(MINUTE);
  expect(looksIn(3 * MINUTE)).toBe(6);
});

test("looks that take long because the registry is far are made each minute at least", () => {
  rhythm.use();
  tookMs = 2 * SECOND;
  looksIn(2 * MINUTE);
  expect(looksIn(10 * MINUTE)).toBe(10);
});

test("where nobody asks nor listens it rests, until it is asked for again", () => {
  heard = false;
  rhythm.use();
  looksIn(MINUTE);
  expect([rhythm.isIdle, looksIn(10 * MINUTE)]).toEqual([true, 0]);
  expect(rhythm.isStale).toBe(true);
  rhythm.use();
  expect(looksIn(10 * SECOND)).toBe(10);
});
