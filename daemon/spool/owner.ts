/** The process that wrote a file, as the file tells it (clients/python, ring_owner.py). */
import { lives, thisMachine } from "../lifecycle/processes.ts";

export const OWNER_BYTES = 40;

/** `startTicks`, `namespace` and `boot` are 0 and empty where the system did not tell. */
export interface Owner {
  readonly pid: number;
  readonly startTicks: number;
  /** Inode of the pid namespace. */
  readonly namespace: number;
  /** Boot id, hex. */
  readonly boot: string;
}

/** `elsewhere`: in another pid namespace of this machine, where its pid says nothing to us. */
export type OwnerState = "lives" | "dead" | "elsewhere";

/** Reads the 40 bytes at `offset`. */
export function readOwner(bytes: Buffer, offset: number): Owner {
  const boot = bytes.subarray(offset + 24, offset + OWNER_BYTES);
  return {
    pid: Number(bytes.readBigUInt64LE(offset)),
    startTicks: Number(bytes.readBigUInt64LE(offset + 8)),
    namespace: Number(bytes.readBigUInt64LE(offset + 16)),
    boot: boot.some((byte) => byte !== 0) ? boot.toString("hex") : "",
  };
}

/** Whether the owner lives. A process that got its pid afterwards is another. */
export function ownerState(owner: Owner): OwnerState {
  const { boot, namespace } = thisMachine();
  if (owner.boot !== "" && boot !== "" && owner.boot !== boot) return "dead";
  if (owner.namespace !== 0 && namespace !== 0 && owner.namespace !== namespace) return "elsewhere";
  if (owner.pid < 1) return "dead";
  return lives(owner) ? "lives" : "dead";
}
