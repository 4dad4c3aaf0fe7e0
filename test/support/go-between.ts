/** What go-betweens before a server share. */
import type { Socket } from "node:net";

/** When either side goes, so does the other; `open` holds the near one while it is there. */
export function tie(near: Socket, far: Socket, open: Set<Socket>): void {
  open.add(near);
  near
    .on("error", () => undefined)
    .on("close", () => {
      open.delete(near);
      far.destroy();
    });
  far.on("error", () => undefined).on("close", () => near.destroy());
}
