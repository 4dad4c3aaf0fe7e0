/** Contract: keys of any spelling, params of any size, and facts that are given again. */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";
import { never } from "./tracker-driver.ts";
import { pointAt, pointsFrom } from "./tracker-records.ts";
import type { Suite } from "./tracker-suite.ts";

/** Keys that some tool cannot have, or takes for something else, or for the same as another one. */
const KEYS: readonly string[] = [
  ...["loss", "Loss", "loss ", "a@b", "a_0x40_b", "a.b", "a/b", "a//b", "/a/b", "a/b/", "a.b.", "a:b", "a b"],
  ...["..", ".", "a/../b", "__proto__", "constructor", "toString", "_step", "_timestamp", "_runtime", "step"],
  ...["train/\u640d\u5931", "caf\u00e9", "cafe\u0301", "\u{1f525}heat", 'q"uote', "back\\slash", "tab\tkey"],
  ...["x".repeat(249), "x".repeat(250), "x".repeat(251), `${"y".repeat(1023)}1`, `${"y".repeat(1023)}2`],
  "\u00e9".repeat(512),
];

export function describeNames(suite: Suite): void {
  describe("names and values", () => {
    test("each key has a series of its own, whatever it is called", async () => {
      const driver = await suite.open();
      const points = [0, 1].flatMap((step) => KEYS.map((key, i) => pointAt(key, step, i * 2 + step, step)));
      await driver.deliver(points);
      expect(driver.refused).toEqual([]);
      const { points: shown } = await driver.shown();
      const groups = Map.groupBy(shown, ({ key }) => key);
      const values = [...groups.values()].map((group) =>
        group.map(({ value }) => value).sort((a, b) => a - b),
      );
      expect(values.sort((a, b) => (a[0] ?? 0) - (b[0] ?? 0))).toEqual(
        KEYS.map((_, i) => [i * 2, i * 2 + 1]),
      );
      const named = driver.notes.join("\n");
      for (const [shownKey, group] of groups) {
        const key = KEYS[Math.floor((group[0]?.value ?? 0) / 2)];
        if (shownKey !== key) expect(named, `a note on ${key}`).toContain(shownKey);
      }
      const count = await driver.adapter.count(KEYS, never);
      expect(count?.points).toBe(points.length);
      expect(new Map(Object.entries(count?.byKey ?? {}))).toEqual(new Map(KEYS.map((key) => [key, 2])));
    });

    test("many and huge params are shown, or cut with a note", async () => {
      const driver = await suite.open();
      const many = Object.fromEntries(Array.from({ length: 250 }, (_, i) => [`group.p${i}`, String(i)]));
      const odd = { empty: "", text: 'a "quoted"\nline \u640d\u5931', long: "l".repeat(100_000) };
      await driver.deliver([{ kind: "params", params: { ...many, ...odd } }, ...pointsFrom(0, 2)]);
      const { params } = await driver.expectShown(pointsFrom(0, 2));
      expect(params).toMatchObject({ ...many, empty: "", text: odd.text });
      expect(params["long"]?.slice(0, 400)).toBe(odd.long.slice(0, 400));
      if (params["long"] !== odd.long) expect(driver.notes.join(" ")).toContain("long");
    });

    test("a param and a tag given again end as the last one, or are named as refused", async () => {
      const driver = await suite.open();
      await driver.deliver([
        { kind: "params", params: { lr: "1" } },
        { kind: "tags", tags: { stage: "dev" } },
      ]);
      const again: SinkRecord[] = [
        { kind: "params", params: { lr: "2" } },
        { kind: "tags", tags: { stage: "live" } },
        ...pointsFrom(0, 2),
      ];
      const result = await driver.adapter.send(again, never);
      if (result.status !== "ok") expect(result).toMatchObject({ status: "permanent", rejected: [0] });
      driver.settle(again, result);
      const shown = await driver.expectShown(pointsFrom(0, 2));
      expect(shown.params).toEqual({ lr: result.status === "ok" ? "2" : "1" });
      expect(shown.tags).toMatchObject({ stage: "live", team: "red" });
    });
  });
}
