/** Looks into the page from the side: when points came, when a chart was drawn next, how many frames there were. */
import type { Page } from "playwright-core";
import { z } from "zod";

const SCROLL_MS = 3000;

declare global {
  /** In the page. */
  var probe: { readonly firstDraw: number; readonly drawn: { readonly [step: string]: number } };
}

/** Runs in the page before its own script. Times are Unix milliseconds. */
export const PROBE = `
  globalThis.probe = { came: [], drawn: {}, firstDraw: 0 };
  {
    const now = () => performance.timeOrigin + performance.now();
    const { probe } = globalThis;
    const listen = EventSource.prototype.addEventListener;
    EventSource.prototype.addEventListener = function (name, listener) {
      return listen.call(this, name, name !== "notification" ? listener : (event) => {
        const { method, params } = JSON.parse(event.data);
        listener.call(this, event);
        if (method === "pipekit/points") for (const { steps } of params.series) probe.came.push(...steps);
      });
    };
    const stroke = CanvasRenderingContext2D.prototype.stroke;
    CanvasRenderingContext2D.prototype.stroke = function (...path) {
      const result = stroke.apply(this, path);
      // Lines of the grid are drawn before there are points; a line of data is a path of its own.
      if (path.length === 0) return result;
      if (probe.firstDraw === 0) probe.firstDraw = now();
      for (const step of probe.came.splice(0)) probe.drawn[step] ??= now();
      return result;
    };
  }`;

/** From the start of the navigation until the first line of data stood on a canvas, milliseconds. */
export async function firstDrawMs(page: Page): Promise<number> {
  // A function, not a text: the policy of the page lets nobody evaluate texts there later.
  await page.waitForFunction(() => probe.firstDraw > 0);
  return z.number().parse(await page.evaluate("probe.firstDraw - performance.timeOrigin"));
}

/** When each step was drawn, Unix milliseconds, once so many were. */
export async function pointsDrawn(page: Page, steps: number): Promise<Map<number, number>> {
  await page.waitForFunction((least) => Object.keys(probe.drawn).length >= least, steps);
  const drawn = z.record(z.string(), z.number()).parse(await page.evaluate("probe.drawn"));
  return new Map(Object.entries(drawn).map(([step, at]) => [Number(step), at]));
}

/** Scrolls a list from end to end by wheel-like steps, a step each frame. */
export async function framesWhileScrolling(page: Page): Promise<{ perSecond: number; longestMs: number }> {
  const frames = await page.evaluate(
    `new Promise((done) => {
      const list = document.querySelector(".list-scroller");
      const frames = [];
      const start = performance.now();
      const step = (now) => {
        frames.push(now);
        const end = list.scrollHeight - list.clientHeight;
        list.scrollTop = end * ((now - start) / ${SCROLL_MS});
        if (now - start < ${SCROLL_MS}) requestAnimationFrame(step);
        else done(frames);
      };
      requestAnimationFrame(step);
    })`,
  );
  const times = z.array(z.number()).min(2).parse(frames);
  const gaps = times.slice(1).map((time, i) => time - (times[i] ?? 0));
  const took = gaps.reduce((sum, gap) => sum + gap, 0);
  return { perSecond: (1000 * gaps.length) / took, longestMs: Math.max(...gaps) };
}
