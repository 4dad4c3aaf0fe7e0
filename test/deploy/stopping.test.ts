/** How a daemon stops under a service manager: at any moment, and with a last wait that is bounded. */
import { rmSync } from "node:fs";
import { describe, expect, test } from "vitest";
import { type QuietQuestions, untilQuiet } from "../../daemon/lifecycle/index.ts";
import { startDaemon, temporaryHome } from "../support/daemon.ts";

test("SIGTERM in the moment in which it is ready ends it well", async () => {
  const home = temporaryHome();
  for (let round = 0; round < 4; round++) {
    const daemon = await startDaemon({ home });
    expect({ ...(await daemon.stop()), err: daemon.stderr() }).toEqual({ code: 0, signal: null, err: "" });
  }
  rmSync(home, { recursive: true, force: true });
});

describe("the last wait", () => {
  const never = new AbortController().signal;

  /** Runs that are running at each look, the last one for ever; `log` is what was asked. */
  function questions(running: number[], delivered: QuietQuestions["delivered"]) {
    const log: string[] = [];
    const asked: QuietQuestions = {
      lookAnew: async () => void log.push("look"),
      runsRunning: async () => {
        log.push("runs");
        return (running.length > 1 ? running.shift() : running[0]) ?? 0;
      },
      delivered: async (timeoutMs, signal) => {
        log.push("delivered");
        await delivered(timeoutMs, signal);
      },
    };
    return { asked, log };
  }

  const atOnce = async () => undefined;

  test("nothing to wait for", async () => {
    const { asked, log } = questions([0], atOnce);
    expect(await untilQuiet(asked, 60_000, never)).toBe(true);
    expect(log).toEqual(["look", "runs", "delivered", "runs"]);
  });

  test("runs end first, what dead writers left is looked for each time, and a run that began meanwhile counts", async () => {
    const { asked, log } = questions([1, 0, 1, 0], atOnce);
    expect(await untilQuiet(asked, 60_000, never)).toBe(true);
    const round = ["look", "runs", "delivered", "runs"];
    expect(log).toEqual(["look", "runs", ...round, ...round]);
  });

  test("runs that do not end, and sinks that take nothing, are waited for no longer than was said", async () => {
    const running = questions([1], atOnce);
    expect(await untilQuiet(running.asked, 250, never)).toBe(false);
    expect(running.log).not.toContain("delivered");
    const stuck = questions([0], (timeoutMs) => new Promise((done) => setTimeout(done, timeoutMs)));
    expect(await untilQuiet(stuck.asked, 50, never)).toBe(false);
  });

  test("a second signal ends it, and a fault is no end", async () => {
    const cut = new AbortController();
    const { asked } = questions([0], (_, signal) => {
      cut.abort();
      return Promise.reject(signal.reason);
    });
    expect(await untilQuiet(asked, 60_000, cut.signal)).toBe(false);
    const broken = questions([0], () => Promise.reject(new Error("broken")));
    await expect(untilQuiet(broken.asked, 60_000, never)).rejects.toThrow("broken");
  });
});
