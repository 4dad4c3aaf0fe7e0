import type uPlot from "uplot";

/** More marks than this would be one bar. */
const MOST_MARKS = 300;
const SIZE = 4;

/** Marks at the foot of a chart where values are NaN or infinite; the line has a gap there. */
export function drawUnusual(plot: uPlot, at: readonly number[], colour: string): void {
  if (at.length === 0) return;
  const { ctx, bbox } = plot;
  const size = SIZE * (globalThis.devicePixelRatio || 1);
  const foot = bbox.top + bbox.height - 1;
  const stride = Math.ceil(at.length / MOST_MARKS);
  ctx.save();
  ctx.fillStyle = colour;
  ctx.beginPath();
  for (let index = 0; index < at.length; index += stride) {
    const x = plot.valToPos(at[index] as number, "x", true);
    if (x < bbox.left || x > bbox.left + bbox.width) continue;
    ctx.moveTo(x - size, foot);
    ctx.lineTo(x + size, foot);
    ctx.lineTo(x, foot - 2 * size);
  }
  ctx.fill();
  ctx.restore();
}
