/**
 * The view room: the way from the daemon to what people look at. The language server and the page are its two faces.
 *
 * Architecture Invariant: a face knows the editor protocol and this room; it reaches the daemon by this room alone.
 */
export { openView } from "./open-view.ts";
export * from "./view.ts";
