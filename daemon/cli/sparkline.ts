const BARS = "▁▂▃▄▅▆▇█";

/**
 * Values as a line of `width` characters, the newest at the right: each the mean of its share of the values.
 * What is not finite is left blank, as is what is not there yet.
 */
export function sparkline(values: ArrayLike<number>, width: number): string {
  const means = columnMeans(values, width);
  const finite = means.filter((mean) => Number.isFinite(mean));
  const low = Math.min(...finite);
  // Halves, so that the range of the largest numbers is still a number.
  const range = Math.max(...finite) / 2 - low / 2;
  const line = means.map((mean) => {
    if (!Number.isFinite(mean)) return " ";
    const share = range > 0 ? (mean / 2 - low / 2) / range : 0.5;
    return BARS[Math.min(BARS.length - 1, Math.floor(share * BARS.length))] ?? " ";
  });
  return line.join("").padStart(width);
}

function columnMeans(values: ArrayLike<number>, width: number): number[] {
  const columns = Math.min(width, values.length);
  return Array.from({ length: columns }, (_, column) => {
    const from = Math.floor((column * values.length) / columns);
    const to = Math.floor(((column + 1) * values.length) / columns);
    let mean = 0;
    let count = 0;
    for (let i = from; i < to; i++) {
      const value = values[i] ?? Number.NaN;
      if (!Number.isFinite(value)) continue;
      count += 1;
      // A running mean: a sum could overflow.
      mean += value / count - mean / count;
    }
    return count === 0 ? Number.NaN : mean;
  });
}
