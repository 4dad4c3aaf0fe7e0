/** A bar that stands at the top while something is wrong with the way to the daemon. What is known stays on the page. */
import type { DaemonDocument } from "@pipekit/proto/editor";
import { element, fill } from "./dom.ts";
import type { Connection } from "./host.ts";

export class Banner {
  readonly root = element("div", { class: "banner", role: "status", hidden: true });
  #connection: Connection | undefined;
  #daemon: DaemonDocument | undefined;

  connection(connection: Connection): void {
    this.#connection = connection;
    this.#show();
  }

  daemon(daemon: DaemonDocument): void {
    this.#daemon = daemon;
    this.#show();
  }

  #show(): void {
    const told = this.#trouble();
    this.root.hidden = told === undefined;
    if (told === undefined) fill(this.root);
    else fill(this.root, element("strong", {}, told.message), " ", element("span", {}, told.mend));
  }

  #trouble(): { readonly message: string; readonly mend: string } | undefined {
    if (this.#connection !== undefined && this.#connection.state !== "open") return this.#connection;
    const daemon = this.#daemon;
    if (daemon === undefined || daemon.state === "connected") return undefined;
    if (daemon.message !== "") return daemon;
    return { message: "Looking for the daemon …", mend: "" };
  }
}
