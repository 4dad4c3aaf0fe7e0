import type { MessagePort } from "node:worker_threads";
import type { WorkerReport } from "./messages.ts";

/** Posts a report; the memory of arrays in it moves instead of being copied. */
export function report(port: MessagePort, message: WorkerReport): void {
  const buffers = new Set<ArrayBuffer>();
  for (const answer of message.answers) if ("value" in answer) collectBuffers(answer.value, buffers);
  port.postMessage(message, [...buffers]);
}

function collectBuffers(value: unknown, buffers: Set<ArrayBuffer>): void {
  if (ArrayBuffer.isView(value)) {
    if (value.buffer instanceof ArrayBuffer) buffers.add(value.buffer);
  } else if (typeof value === "object" && value !== null) {
    for (const inner of Object.values(value)) collectBuffers(inner, buffers);
  }
}
