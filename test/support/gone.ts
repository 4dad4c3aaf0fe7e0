import { expect, vi } from "vitest";

/** Waits until there is no process of this pid. */
export async function gone(pid: number): Promise<void> {
  await vi.waitFor(() => expect(() => process.kill(pid, 0)).toThrow(), { timeout: 15_000, interval: 10 });
}
