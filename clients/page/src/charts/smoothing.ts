/**
 * An exponential moving average whose start is not drawn towards zero, as TensorBoard shows it; `weight` is 0 (none) to
 * below 1. Gaps (null) stay gaps and do not count.
 */
export function smoothed(values: readonly (number | null)[], weight: number): (number | null)[] {
  let sum = 0;
  let share = 0;
  return values.map((value) => {
    if (value === null) return null;
    sum = sum * weight + value * (1 - weight);
    share = share * weight + (1 - weight);
    return sum / share;
  });
}
