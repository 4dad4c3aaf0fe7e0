/**
 * Reads composed Hydra configs: YAML as OmegaConf loads it, interpolations resolved as OmegaConf resolves them, and what
 * each value is and where it stands. It imports and runs nothing that a config names.
 */
import { ConfigFault, type ConfigReader } from "../config.ts";
import { Allowance, LimitPassed } from "./limits.ts";
import { parseConfig, parseWithin } from "./parsing.ts";
import { readHydraRun } from "./run-folder.ts";
import { readRunTexts } from "./run-texts.ts";
import { parseInThread, readInThread } from "./thread.ts";

export { parseConfig };

/** Texts longer than this, characters, are read in a thread of their own. */
const INLINE = 32 * 1024;

export const hydraReader: ConfigReader = {
  parse: (config, signal) =>
    inlineOr(
      config.text.length + config.hydraJson.length,
      (allowance) => parseWithin(config, allowance),
      () => parseInThread(config, signal),
    ),
  readRun: (run, signal) =>
    readHydraRun(run, signal, (texts) =>
      inlineOr(
        texts.config.length + texts.hydra.length + texts.overrides.length,
        (allowance) => readRunTexts(texts, allowance),
        () => readInThread(texts, signal),
      ),
    ),
};

/** Does what is little work here, and what turns out to be more in a thread. */
async function inlineOr<T>(
  characters: number,
  inline: (allowance: Allowance) => T,
  inThread: () => Promise<T>,
): Promise<T> {
  if (characters > INLINE) return inThread();
  try {
    return inline(Allowance.little());
  } catch (error) {
    const cause = error instanceof ConfigFault ? error.cause : error;
    if (cause instanceof LimitPassed || cause instanceof RangeError) return inThread();
    throw error;
  }
}
