import { PipekitError } from "@pipekit/proto";
import type { Notify, View } from "../../daemon/view/index.ts";

/** A view that answers with what it is asked, for faults and rules of the page's server. */
export interface FakeView {
  readonly view: View;
  /** Of each session that is open. */
  readonly notify: Set<Notify>;
  /** Requests that hang until they are aborted: `slow`. */
  readonly aborted: string[];
}

/** Knows `echo`, `fail`, `break` and `slow`. */
export function fakeView(): FakeView {
  const notify = new Set<Notify>();
  const aborted: string[] = [];
  const session: View["session"] = (tell) => ({
    request: async (method, params, signal) => {
      if (method === "echo") return { params };
      if (method === "fail")
        throw new PipekitError("TAG_CONFLICT", "It moved.", { field: "tag", mend: "Look again." });
      if (method === "break") throw new TypeError("broken");
      return new Promise((_, fail) =>
        signal?.addEventListener("abort", () => {
          aborted.push(method);
          fail(signal.reason);
        }),
      );
    },
    watch: () => void notify.add(tell),
    close: () => void notify.delete(tell),
  });
  return { view: { session, close: () => undefined } as unknown as View, notify, aborted };
}
