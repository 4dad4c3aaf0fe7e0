/**
 * Making elements.
 *
 * Architecture Invariant: text from outside becomes text nodes and nothing else: the page has no way to set HTML.
 */

type Listener = (event: never) => void;
export type Attributes = Readonly<Record<string, string | number | boolean | undefined | Listener>>;
export type Child = Node | string | false | undefined;

/**
 * An element. `on...` attributes are listeners; `true` is an attribute without value, `false` and undefined are none, but
 * states of ARIA are the words "true" and "false".
 */
export function element<K extends keyof HTMLElementTagNameMap>(
  name: K,
  attributes: Attributes = {},
  ...children: readonly Child[]
): HTMLElementTagNameMap[K] {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    const isState = typeof value === "boolean" && key.startsWith("aria-");
    if (value === undefined || (value === false && !isState)) continue;
    if (typeof value === "function") made.addEventListener(key.slice(2), value as EventListener);
    else made.setAttribute(key, value === true && !isState ? "" : String(value));
  }
  append(made, children);
  return made;
}

/** Puts these in place of what is in it. */
export function fill(parent: Element, ...children: readonly Child[]): void {
  parent.replaceChildren();
  append(parent, children);
}

function append(parent: Element, children: readonly Child[]): void {
  for (const child of children) if (child !== undefined && child !== false) parent.append(child);
}

/** Sets text only where it differs, so that nothing is laid out or read out again for nothing. */
export function setText(target: Element, text: string): void {
  if (target.textContent !== text) target.textContent = text;
}

/** Text that a user wrote: kept apart from the direction of what surrounds it. */
export function userText(text: string): HTMLElement {
  return element("bdi", { class: "user" }, text);
}

export function button(label: string, pressed: () => void, attributes: Attributes = {}): HTMLButtonElement {
  return element("button", { type: "button", onclick: pressed, ...attributes }, label);
}

/** A link to a tool's own page; plain text where the address is not http(s). */
export function outsideLink(address: string, label: string): HTMLElement {
  if (!/^https?:\/\//i.test(address)) return userText(label);
  return element("a", { href: address, target: "_blank", rel: "noopener noreferrer" }, label);
}

/** A button that copies a text, and says so. */
export function copyButton(text: string, what: string): HTMLButtonElement {
  const made = button("Copy", () => {
    navigator.clipboard.writeText(text).then(
      () => setText(made, "Copied"),
      () => setText(made, "Select it to copy it"),
    );
  });
  made.setAttribute("aria-label", `Copy ${what}`);
  made.className = "quiet";
  return made;
}

let lastId = 0;

/** An id that no other element has. */
export function freshId(prefix: string): string {
  return `${prefix}-${++lastId}`;
}
