/** Draws charts with the screen's frames, each chart at most once a frame, and no more in a frame than leaves it smooth. */

/** Of the 16 ms of a frame; the rest is the browser's. */
const BUDGET_MS = 9;

export class DrawQueue {
  readonly #waiting = new Set<() => void>();
  #frame = 0;

  add(draw: () => void): void {
    this.#waiting.add(draw);
    this.#frame ||= requestAnimationFrame(() => this.#draw());
  }

  drop(draw: () => void): void {
    this.#waiting.delete(draw);
  }

  #draw(): void {
    const end = performance.now() + BUDGET_MS;
    for (const draw of this.#waiting) {
      this.#waiting.delete(draw);
      draw();
      if (performance.now() > end) break;
    }
    this.#frame = this.#waiting.size === 0 ? 0 : requestAnimationFrame(() => this.#draw());
  }
}
