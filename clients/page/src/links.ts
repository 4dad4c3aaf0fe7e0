/** Links to places of the page. */
import { type Attributes, type Child, element } from "./dom.ts";
import { formatRoute, type Route } from "./router.ts";

/** A link to a place; what it shows may be text of a user, as an element of `userText`. */
export function placeLink(route: Route, content: Child, attributes: Attributes = {}): HTMLAnchorElement {
  return element("a", { href: formatRoute(route), ...attributes }, content);
}
