/** Neptune's runs, as its exporter wrote them before the service closed. */
import type { HistoryKind } from "@pipekit/adapters/history";

export const neptuneHistory: HistoryKind = {
  tool: "neptune",
  schemes: ["neptune+export"],
  load: async () => (await import("./reader.ts")).reader,
};
