/** What a view says when there is nothing to show: that it waits, that there is none yet, or why it failed. */
import { button, type Child, element } from "./dom.ts";
import { failureOf } from "./host.ts";

/** A failure, where it belongs, with what to do about it. */
export function failureNotice(thrown: unknown, again?: () => void): HTMLElement {
  const { message, mend, code } = failureOf(thrown);
  return element(
    "div",
    { class: "notice failure", role: "alert", "data-code": code },
    element("p", {}, message),
    mend !== "" && element("p", { class: "mend" }, mend),
    again !== undefined && button("Try again", again),
  );
}

export function waitingNotice(what: string): HTMLElement {
  return element("p", { class: "notice waiting", role: "status" }, `${what} …`);
}

/** Nothing is here yet, and the next step. */
export function emptyNotice(title: string, ...steps: readonly Child[]): HTMLElement {
  return element("div", { class: "notice empty" }, element("p", { class: "lead" }, title), ...steps);
}

export function codeSample(text: string): HTMLElement {
  return element("pre", { class: "code", tabindex: 0 }, element("code", {}, text));
}
