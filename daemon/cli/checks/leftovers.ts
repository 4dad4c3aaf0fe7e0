/** What processes left in rings and spool files, and what no daemon has taken. */
import { join } from "node:path";
import { stateLayout } from "../../config/index.ts";
import { counted } from "../../format.ts";
import { surveySpool } from "../../spool/index.ts";
import type { Location } from "../locate.ts";
import { type Finding, note, ok, problem } from "./finding.ts";
import { namesIn } from "./paths.ts";

/** `running`: whether a daemon answers, which takes what it can. */
export async function checkLeftovers({ state, socket }: Location, running: boolean): Promise<Finding[]> {
  const rings = socket.replace(/sock$/, "rings");
  const { waiting, elsewhere, damaged, torn } = await surveySpool(rings, stateLayout(state).spoolFolder);
  const findings = [
    ...damaged.map((path) =>
      problem(
        "leftovers",
        `${path} is damaged from its start; what a process had logged there cannot be taken.`,
        `Put it away: mv ${path} ${path}.damaged`,
      ),
    ),
    ...elsewhere.map((path) =>
      note(
        "leftovers",
        `${path} is of a process in another container; it is left alone.`,
        "Run the daemon in one pid namespace with it; when that process is gone, remove the file.",
      ),
    ),
    ...torn.map((path) =>
      note("leftovers", `${path} ends in a frame that is not whole; the rest of it counts.`),
    ),
    ...(waiting.length === 0 ? [] : [waitingFinding(waiting, running)]),
    ...afar(state),
  ];
  return findings.length === 0 ? [ok("leftovers", "Nothing of dead processes waits.")] : findings;
}

function waitingFinding(waiting: readonly string[], running: boolean): Finding {
  const message = `${counted(waiting.length, "file")} of dead processes ${waiting.length === 1 ? "waits" : "wait"} to be taken, such as ${waiting[0]}.`;
  if (!running)
    return note("leftovers", message, "The next daemon takes them; start one with `pkx runs list`.");
  return note(
    "leftovers",
    message,
    "A daemon takes them within seconds; when they stay, `pkx logs` says why.",
  );
}

/** Spools for daemons that PKX_ENDPOINT named: no daemon here reads them. */
function afar(state: string): Finding[] {
  return namesIn(state)
    .filter((name) => /^spool-[0-9a-f]+$/.test(name))
    .flatMap((name) => {
      const files = namesIn(join(state, name)).filter((file) => file.endsWith(".frames")).length;
      const message = `${counted(files, "file")} for a daemon elsewhere in ${join(state, name)}.`;
      const mend = "The next process that logs with the same PKX_ENDPOINT sends them.";
      return files === 0 ? [] : [note("leftovers", message, mend)];
    });
}
