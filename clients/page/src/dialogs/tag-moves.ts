/** Promote and roll back: what the tag points to now and what it will point to is shown before it is moved. */
import { element, userText } from "../dom.ts";
import { formatAge, nowUs, shortHash } from "../format.ts";
import { failureOf, RequestFailure } from "../host.ts";
import type { Page } from "../page.ts";
import { facts } from "../tables.ts";
import { ask, field } from "./ask.ts";

export interface Move {
  readonly registry: string;
  readonly tag: string;
  /** Where the person saw it point; empty when it was not there. */
  readonly from: string;
  readonly to: string;
}

/** Asks which model gets which tag, then whether it is meant. What is given is not asked. */
export function askPromotion(page: Page, registry: string, given: { ref?: string; tag?: string }): void {
  const ref = element("input", { required: true, placeholder: "hash or tag", value: given.ref ?? "" });
  const tag = element("input", { required: true, placeholder: "production", value: given.tag ?? "" });
  ask({
    title: given.tag === undefined ? "Point a tag to this model" : "Point this tag to another model",
    content: [
      given.ref === undefined ? field("Model", ref) : facts(["Model", shortHash(given.ref)]),
      given.tag === undefined ? field("Tag", tag) : facts(["Tag", userText(given.tag)]),
    ],
    deed: "Continue",
    act: async () => {
      const [{ hash }, { tags }] = await Promise.all([
        page.host.request("pipekit/resolve", { registry, ref: ref.value.trim() }),
        page.host.request("pipekit/tags", { registry }),
      ]);
      const name = tag.value.trim();
      const from = tags.find((move) => move.name === name)?.hash ?? "";
      const move = { registry, tag: name, from, to: hash };
      return moveQuestion(page, move, "Promote", (reason) =>
        page.host.request("pipekit/promote", { registry, ref: hash, tag: name, expectedHash: from, reason }),
      );
    },
  });
}

/** Asks whether a tag shall lead to the model again to which it led before. */
export async function askRollback(page: Page, move: Move): Promise<void> {
  const { registry, tag, from } = move;
  const open = await moveQuestion(page, move, "Roll back", (reason) =>
    page.host.request("pipekit/rollback", { registry, tag, expectedHash: from, reason }),
  );
  open();
}

/** The question whether a move is meant, once both models were looked at; it is asked by calling what is returned. */
async function moveQuestion(
  page: Page,
  move: Move,
  deed: string,
  act: (reason: string) => Promise<unknown>,
): Promise<() => void> {
  const reason = element("input", { placeholder: "for the history of the tag" });
  const [from, to] = await Promise.all([described(page, move, move.from), described(page, move, move.to)]);
  const question = {
    title: `${deed}?`,
    content: [
      facts(["Tag", userText(move.tag)], ["Points now to", from], ["Will point to", to]),
      field("Why (may stay empty)", reason),
    ],
    deed,
    act: async () => {
      try {
        await act(reason.value.trim());
      } catch (thrown) {
        throw explained(move, thrown);
      }
      return () => page.announce(`${move.tag} now points to ${shortHash(move.to)}.`);
    },
  };
  return () => ask(question);
}

/** A model in one line; the hash alone where more cannot be read. */
async function described(page: Page, { registry }: Move, hash: string): Promise<HTMLElement> {
  if (hash === "") return element("span", {}, "no model");
  const code = element("code", { title: hash }, shortHash(hash));
  try {
    const model = await page.host.request("pipekit/model", { registry, ref: hash });
    return element(
      "span",
      {},
      code,
      " ",
      userText(model.operator),
      `, ${formatAge(model.createdAtUs, nowUs())}`,
    );
  } catch {
    return element("span", {}, code);
  }
}

/** A move that somebody else was faster with, in plain words. */
function explained(move: Move, thrown: unknown): unknown {
  const failure = failureOf(thrown);
  if (failure.code !== "TAG_CONFLICT") return failure;
  return new RequestFailure({
    code: failure.code,
    field: failure.field,
    message: `Somebody moved ${move.tag} while you looked at it. Nothing was changed. ${failure.message}`,
    mend: "Close this, look at where the tag points now, and decide again.",
  });
}
