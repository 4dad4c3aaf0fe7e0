/** Starts the page. */
import { App } from "./app.ts";
import { HttpHost } from "./hosts/http.ts";
import { WebviewHost } from "./hosts/webview.ts";

const acquire = globalThis.acquireVsCodeApi;
const host = acquire === undefined ? new HttpHost() : new WebviewHost(acquire);
new App(host).start(document.body);
