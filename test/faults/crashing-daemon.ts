/**
 * The real daemon, which ends itself by kill -9 at a named point: each start takes the first line off the file
 * `$PKX_TEST_CRASHES`, such as `after-send:3` for the third time that it comes to that point. Points are those of
 * delivery, and `before-append` and `after-append` of a frame. `$PKX_TEST_LIMITS` are limits of delivery, JSON.
 */
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { openRooms } from "../../daemon/rooms.ts";
import { serve } from "../../daemon/serve.ts";

const [point, nth] = takeLine(process.env["PKX_TEST_CRASHES"] ?? "").split(":");
const limits = JSON.parse(process.env["PKX_TEST_LIMITS"] ?? "{}") as object;
let passed = 0;

function takeLine(file: string): string {
  if (!existsSync(file)) return "";
  const [line = "", ...rest] = readFileSync(file, "utf8").split("\n");
  writeFileSync(file, rest.join("\n"));
  return line;
}

function crashpoint(name: string): void {
  if (name === point && ++passed === Number(nth)) process.kill(process.pid, "SIGKILL");
}

await serve(process.argv.slice(3), (context) =>
  openRooms(context, {
    crashpoint,
    limits,
    wrapJournal: (journal) => {
      const append = journal.append.bind(journal);
      journal.append = async (...args) => {
        crashpoint("before-append");
        const result = await append(...args);
        crashpoint("after-append");
        return result;
      };
      return journal;
    },
  }),
);
