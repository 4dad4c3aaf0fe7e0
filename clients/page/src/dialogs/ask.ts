/** Asks before something is changed; the change is made while the dialog stands, and a failure is told in it. */
import { button, type Child, element, fill, freshId } from "../dom.ts";
import { failureNotice } from "../notices.ts";

export interface Question {
  readonly title: string;
  readonly content: readonly Child[];
  /** What is done, as the label of the button that does it. */
  readonly deed: string;
  /** Does it. What it throws is shown; what it returns is called when the dialog has closed. */
  act(): Promise<(() => void) | undefined>;
}

export function ask({ title, content, deed, act }: Question): void {
  const id = freshId("ask");
  const failure = element("div", {});
  const yes = element("button", { type: "submit" }, deed);
  const no = button("Cancel", () => dialog.close(), { class: "quiet" });
  const form = element(
    "form",
    {
      onsubmit: (event: Event) => {
        event.preventDefault();
        void tryIt();
      },
    },
    element("h2", { id }, title),
    ...content,
    failure,
    element("div", { class: "bar" }, no, yes),
  );
  const dialog = element("dialog", { "aria-labelledby": id, onclose: () => dialog.remove() }, form);

  async function tryIt(): Promise<void> {
    yes.disabled = true;
    fill(failure);
    try {
      const next = await act();
      dialog.addEventListener("close", () => next?.());
      dialog.close();
    } catch (thrown) {
      fill(failure, failureNotice(thrown));
      yes.disabled = false;
    }
  }

  document.body.append(dialog);
  dialog.showModal();
  // Enter by mistake changes nothing: the way out has the focus, unless there is a field to write in.
  (form.querySelector("input") ?? no).focus();
}

export function field(label: string, input: HTMLInputElement): HTMLElement {
  return element("label", { class: "field" }, label, input);
}
