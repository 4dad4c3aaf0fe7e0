/** Opens exports: a folder, or `neptune+export:///FOLDER[?files=/PATH][&step_multiplier=N]`. */
import { join } from "node:path";
import type { HistoryReader } from "@pipekit/adapters/history";
import { SpecError } from "@pipekit/adapters/tracker";
import { parseFolderSpec } from "../folder-spec.ts";
import { readQuery } from "../spec-query.ts";
import { ExportHistory, isExportData, placeOf } from "./export.ts";

export const SCHEME = "neptune+export";

const EXAMPLE = `${SCHEME}:///home/me/exports?step_multiplier=1000`;

export const reader: HistoryReader = {
  recognises: async (path) => (await isExportData(path)) || (await isExportData(join(path, "data"))),
  open: async (source) => {
    if (!source.startsWith(`${SCHEME}:`))
      return new ExportHistory({ ...(await placeOf(source)), stepMultiplier: 1 });
    const { folder, query } = parseFolderSpec(source, SCHEME, EXAMPLE);
    const mend = `Known keys are files and step_multiplier, as in \`${EXAMPLE}\`.`;
    const values = readQuery("Neptune", new URLSearchParams(query), ["files", "step_multiplier"], mend);
    const place = await placeOf(folder);
    const stepMultiplier = Number(values.get("step_multiplier") ?? "1");
    if (!Number.isSafeInteger(stepMultiplier) || stepMultiplier < 1) {
      throw new SpecError("The step_multiplier of the Neptune spec is not a whole number from 1 on.", mend);
    }
    return new ExportHistory({ ...place, files: values.get("files") ?? place.files, stepMultiplier });
  },
};
