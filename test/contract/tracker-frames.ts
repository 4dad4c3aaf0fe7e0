/** Records as a client would have logged them. */

import type { SinkRecord } from "@pipekit/adapters/tracker";
import { packRows, type Record } from "@pipekit/proto";
import type { PointRecord } from "./tracker-records.ts";

/** Points as a client packs them. */
export function metricsOf(points: readonly PointRecord[]): Record {
  const keys = new Map(points.map(({ key }) => [key, [key]] as const));
  const rows = points.map(({ key, step, value, timeUs }) => {
    return { keys: keys.get(key) ?? [key], step, timeUs, values: [value] };
  });
  return { record: { $case: "metrics", value: packRows(rows) } };
}

/** A sink record as the journal would have it; the content store need not have an artifact's files. */
export function recordOf(record: SinkRecord): Record {
  switch (record.kind) {
    case "point":
      return metricsOf([record]);
    case "params":
      return { record: { $case: "params", value: { paramsJson: JSON.stringify(record.params) } } };
    case "tags":
      return { record: { $case: "tags", value: { tags: { ...record.tags } } } };
    case "artifact": {
      const { name, files, uri } = record;
      const kept = files.map(({ path, size, sha256 }) => ({ path, size, sha256 }));
      return { record: { $case: "artifact", value: { name, files: kept, uri, path: "", staged: false } } };
    }
  }
}
