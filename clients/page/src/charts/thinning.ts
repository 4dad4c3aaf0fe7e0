/** Leaving out points of a line so that what is seen of it stays: its ends and its peaks. */

/**
 * Which of the points stay, as ascending indexes: of each bucket of steps the first, the lowest, the highest, the last,
 * and one that is no finite number. Buckets are equally wide, however often points are added and thinned out again, so
 * that old points are not thinner than new ones. At most `limit` stay; `limit` is 10 or more. Steps ascend.
 */
export function keptPoints(steps: readonly number[], values: readonly number[], limit: number): number[] {
  if (steps.length <= limit) return steps.map((_, index) => index);
  const first = steps[0] as number;
  const span = (steps.at(-1) as number) - first;
  const most = Math.floor(limit / 5) - 1;
  // A power of two: buckets of the next, coarser thinning hold whole buckets of this one.
  const width = 2 ** Math.ceil(Math.log2(span / most));
  const bucketOf =
    span > 0
      ? (index: number) => Math.floor((steps[index] as number) / width) - Math.floor(first / width)
      : (index: number) => Math.floor((index * most) / steps.length);
  const kept: number[] = [];
  let start = 0;
  for (let index = 1; index <= steps.length; index++) {
    if (index < steps.length && bucketOf(index) === bucketOf(start)) continue;
    kept.push(...keptOfBucket(values, start, index));
    start = index;
  }
  return kept;
}

function keptOfBucket(values: readonly number[], start: number, end: number): number[] {
  let lowest = -1;
  let highest = -1;
  let unusual = -1;
  for (let index = start; index < end; index++) {
    const value = values[index] as number;
    if (!Number.isFinite(value)) {
      if (unusual === -1) unusual = index;
      continue;
    }
    if (lowest === -1 || value < (values[lowest] as number)) lowest = index;
    if (highest === -1 || value > (values[highest] as number)) highest = index;
  }
  const kept = new Set([start, lowest, highest, unusual, end - 1]);
  kept.delete(-1);
  return [...kept].sort((a, b) => a - b);
}
