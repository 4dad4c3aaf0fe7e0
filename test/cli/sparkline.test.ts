import fc from "fast-check";
import { expect, test } from "vitest";
import { sparkline } from "../../daemon/cli/sparkline.ts";

test.each([
  [[1, 2, 3, 4, 5, 6, 7, 8], 8, "▁▂▃▄▅▆▇█"],
  [[1, 1, 1], 3, "▅▅▅"],
  [[1, 8], 4, "  ▁█"],
  [[0, 10, 100, 110], 2, "▁█"],
  [[1, Number.NaN, 8], 3, "▁ █"],
  [[-Number.MAX_VALUE, 0, Number.MAX_VALUE], 3, "▁▅█"],
  [[Number.POSITIVE_INFINITY], 2, "  "],
  [[], 3, "   "],
])("%j in %i columns", (values, width, line) => {
  expect(sparkline(values, width)).toBe(line);
});

test("it is always as wide as asked, whatever the values", () => {
  fc.assert(
    fc.property(fc.array(fc.double()), fc.integer({ min: 1, max: 80 }), (values, width) => {
      expect(sparkline(values, width)).toMatch(new RegExp(`^[ ▁▂▃▄▅▆▇█]{${width}}$`));
    }),
  );
});
