import { button, element } from "../dom.ts";

const EVERYWHERE: readonly (readonly [string, string])[] = [
  ["?", "this list"],
  ["Tab", "to the next field, link or chart"],
  ["Esc", "closes a dialog"],
];

/** Shows which keys mean something here. */
export function showKeys(here: readonly (readonly [key: string, meaning: string])[]): void {
  const rows = [...here, ...EVERYWHERE].map(([key, meaning]) =>
    element("div", {}, element("dt", {}, element("kbd", {}, key)), element("dd", {}, meaning)),
  );
  const dialog = element(
    "dialog",
    { class: "keys", "aria-labelledby": "keys-title", onclose: () => dialog.remove() },
    element("h2", { id: "keys-title" }, "Keys"),
    element("dl", {}, ...rows),
    button("Close", () => dialog.close(), { autofocus: true }),
  );
  document.body.append(dialog);
  dialog.showModal();
}
