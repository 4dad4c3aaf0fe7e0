/**
 * The ui room: the page about runs and models for a browser, on loopback. One of the two faces of the view room.
 *
 * Architecture Invariant: whoever asks the page's server is taken for a stranger until host, origin and cookie say
 * otherwise; a request that is refused changes nothing and names the rule.
 */
export { browserCommand, openInBrowser } from "./browser.ts";
export { loadPage, type PageFiles } from "./page.ts";
export { serveUi, type Ui, type UiOptions } from "./server.ts";
