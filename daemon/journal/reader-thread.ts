import type { MessagePort } from "node:worker_threads";
import { toFault } from "./faults.ts";
import type { CallOf, CallTable, CloseCall } from "./messages.ts";
import { report } from "./report.ts";

/** What answers the calls of a table, each by one method. */
export type Answers<C extends CallTable> = {
  readonly [K in keyof C]: (args: C[K]["args"]) => C[K]["answer"] | Promise<C[K]["answer"]>;
};

/** Something to ask, made when the first call comes. */
export interface Asked<C extends CallTable> {
  readonly reader: Answers<C>;
  close(): void;
}

/** Answers calls by a table of methods until it is told to close. */
export function serveReader<C extends CallTable>(
  port: MessagePort,
  file: string,
  make: () => Asked<C>,
): void {
  const busy = new Set<Promise<void>>();
  let asked: Asked<C> | undefined;
  port.on("message", (call: CallOf<C> | CallOf<CloseCall>) => {
    if (isClose(call)) {
      void close(call.id);
      return;
    }
    const answered = answer(call).finally(() => busy.delete(answered));
    busy.add(answered);
  });

  const close = async (id: number): Promise<void> => {
    await Promise.all(busy);
    asked?.close();
    report(port, { answers: [{ id, value: null }], touched: [] });
    port.close();
  };

  const answer = async (call: CallOf<C>): Promise<void> => {
    try {
      asked ??= make();
      const value = await asked.reader[call.kind](call.args);
      report(port, { answers: [{ id: call.id, value }], touched: [] });
    } catch (error) {
      report(port, { answers: [{ id: call.id, fault: toFault(error, file) }], touched: [] });
    }
  };
}

function isClose<C extends CallTable>(call: CallOf<C> | CallOf<CloseCall>): call is CallOf<CloseCall> {
  return call.kind === "close";
}
