import fc from "fast-check";
import { expect, test } from "vitest";
import { chart } from "../../daemon/cli/chart.ts";
import { bytes, duration, figure } from "../../daemon/format.ts";

const SIZE = { width: 30, height: 5 };

function draw(steps: number[], values: number[], size = SIZE): string {
  return chart({ steps, values }, size).join("\n");
}

test("a falling loss", () => {
  const steps = Array.from({ length: 300 }, (_, i) => i * 10);
  expect(
    draw(
      steps,
      steps.map((step) => Math.exp(-step / 700)),
    ),
  ).toBe(
    [
      "  0.9652┤━┓",
      "        │ ┗━┓",
      " 0.48984┤   ┗━━┓",
      "        │      ┗━━━━━━┓",
      "0.014474┤             ┗━━━━━━━━━━━━━━━━",
      "        └──────────────────────────────",
      "         0                         2990",
    ].join("\n"),
  );
});

test("a constant is a straight line in the middle", () => {
  expect(draw([0, 1, 2], [1e9, 1e9, 1e9])).toBe(
    [
      "1.100e+9┤",
      "        │",
      "1.000e+9┤━━━━━━━━━━━━━━━━━━━━━━━━━━━━━━",
      "        │",
      "9.000e+8┤",
      "        └──────────────────────────────",
      "         0                            2",
    ].join("\n"),
  );
});

test("one point", () => {
  expect(draw([5], [3])).toBe(
    ["3.3┤", "   │", "  3┤━", "   │", "2.7┤", "   └──────────────────────────────", "    5"].join("\n"),
  );
});

test("NaN and infinities leave gaps and nothing else", () => {
  expect(draw([0, 1, 2, 3, 4, 5], [Number.NaN, 1, 1, Number.POSITIVE_INFINITY, 0, 0])).toBe(
    [
      "  1┤      ━━━━━━━",
      "   │",
      "0.5┤",
      "   │",
      "  0┤                       ━━━━━━━",
      "   └──────────────────────────────",
      "    0                            5",
    ].join("\n"),
  );
});

test("nothing to draw is said", () => {
  expect(draw([], [])).toBe("(no points)");
  expect(draw([1, 2], [Number.NaN, Number.NEGATIVE_INFINITY])).toBe("(no finite value)");
});

test("whatever the points, the chart has its size and never throws", () => {
  const point = fc.tuple(
    fc.oneof(fc.integer({ min: -1000, max: 1000 }), fc.maxSafeInteger()),
    fc.oneof(fc.double(), fc.double({ min: 0, max: 1 }), fc.constant(1)),
  );
  const size = fc.record({
    width: fc.integer({ min: 10, max: 120 }),
    height: fc.integer({ min: 3, max: 12 }),
  });
  fc.assert(
    fc.property(fc.array(point, { maxLength: 40 }), size, (points, { width, height }) => {
      const lines = chart(
        { steps: points.map(([step]) => step), values: points.map(([, value]) => value) },
        { width, height },
      );
      if (!points.some(([, value]) => Number.isFinite(value))) return lines.length === 1;
      const axis = lines[0]?.search(/[┤│]/) ?? 0;
      return (
        lines.length === height + 2 &&
        lines.slice(0, -1).every((line) => line.length <= axis + 1 + width) &&
        lines.slice(0, height).some((line) => /[━┃┏┓┗┛]/.test(line))
      );
    }),
    { numRuns: 300 },
  );
});

test("figures for people", () => {
  expect([0, 1023, 1536, 250 * 1024 ** 2, 3 * 1024 ** 4].map(bytes)).toEqual([
    "0 B",
    "1023 B",
    "1.5 KiB",
    "250 MiB",
    "3.0 TiB",
  ]);
  expect([5e3, 59e6, 61e6, 3_700e6, 90_000e6].map(duration)).toEqual([
    "5 ms",
    "59 s",
    "1 min 1 s",
    "1 h 1 min",
    "1 d 1 h",
  ]);
  expect([0, 42, 0.123456789, 1e-9, 123456789, Number.NaN].map(figure)).toEqual([
    "0",
    "42",
    "0.12346",
    "1.000e-9",
    "1.235e+8",
    "NaN",
  ]);
});

test("the smallest numbers there are can be drawn", () => {
  for (const values of [[4e-323], [0, 5e-324], [-5e-324, 0, 5e-324]]) {
    const lines = chart({ steps: values.map((_, i) => i), values }, { width: 10, height: 3 });
    expect(lines.join("\n")).not.toContain("NaN");
    expect(lines.length).toBeGreaterThan(3);
  }
});
