import type { Parser, PartialParse, Tree } from "@lezer/common";
import type { Turns } from "./turns.ts";

/** Steps of the parser between two looks at the clock. */
const STEPS = 64;
/** Below it, characters, a text is parsed in one go. */
const SHORT = 4096;
/** What stands behind so many characters of one statement is data. */
const LONGEST = 512 * 1024;
/** States of the parser on top of each other; nobody nests code so deep, and some that is costs space by the square of it. */
const DEEPEST = 2000;
/** A text that takes longer is read no further, milliseconds: some broken texts take time by the square of their length. */
const LONGEST_MS = 10_000;

/** Parses the text of a statement, as far as that can be done in reasonable time and space. */
export async function parse(parser: Parser, text: string, turns: Turns): Promise<Tree> {
  if (text.length < SHORT) return parser.parse(text);
  const work = parser.startParse(text);
  if (text.length > LONGEST) work.stopAt(LONGEST);
  const begun = performance.now();
  for (let step = 1; ; step += 1) {
    const tree = work.advance();
    if (tree !== null) return tree;
    if (step % STEPS !== 0) continue;
    const isTooMuch = isTooDeep(work) || performance.now() - begun > LONGEST_MS;
    if (isTooMuch && (work.stoppedAt ?? text.length) > work.parsedPos) work.stopAt(work.parsedPos);
    if (turns.due) await turns.pass();
  }
}

/** Lezer keeps three numbers a state on its stacks; they are no part of what it declares. */
function isTooDeep(work: PartialParse): boolean {
  const { stacks = [] } = work as { readonly stacks?: readonly { readonly stack: readonly number[] }[] };
  return stacks.some(({ stack }) => stack.length > DEEPEST * 3);
}
