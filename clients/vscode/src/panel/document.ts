/** The page's document inside a webview: its own files, and nothing from anywhere else. */
import { randomBytes } from "node:crypto";
import * as vscode from "vscode";

/**
 * `route`: where the page begins, as it stands behind `#`.
 * https://code.visualstudio.com/api/extension-guides/webview#content-security-policy
 */
export function pageDocument(webview: vscode.Webview, folder: vscode.Uri, route: string): string {
  const file = (name: string) => attribute(String(webview.asWebviewUri(vscode.Uri.joinPath(folder, name))));
  const nonce = randomBytes(18).toString("base64");
  const policy = [
    "default-src 'none'",
    `script-src 'nonce-${nonce}'`,
    `style-src ${webview.cspSource}`,
    `img-src ${webview.cspSource} data:`,
  ].join("; ");
  return `<!doctype html>
<html lang="en">
  <head>
    <meta charset="utf-8">
    <meta http-equiv="Content-Security-Policy" content="${attribute(policy)}">
    <meta name="viewport" content="width=device-width, initial-scale=1">
    <title>Pipekit</title>
    <link rel="stylesheet" href="${file("page.css")}">
    <script nonce="${nonce}" src="${file("page.js")}" defer></script>
  </head>
  <body data-route="${attribute(route)}"></body>
</html>`;
}

function attribute(text: string): string {
  const names: Readonly<Record<string, string>> = { "&": "amp", '"': "quot", "<": "lt", ">": "gt" };
  return text.replace(/[&"<>]/g, (sign) => `&${names[sign]};`);
}
