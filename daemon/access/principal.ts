/**
 * Who calls. The guards of a server settle it once, when the metadata of a call come, and write it into them; whoever
 * works for the call reads it from there. What a client sent under the same name is thrown away by the guards.
 */
import type { Metadata } from "@grpc/grpc-js";

/** Metadata entry that only the daemon's own guards write. */
export const PRINCIPAL_KEY = "pipekit-principal";

/** Whoever is on the other side of a call. */
export interface Principal {
  /** As the daemon's principals name it; `socket:USER` for a caller on the unix socket. */
  readonly name: string;
  readonly over: "socket" | "tcp";
}

/** Notes who calls; replaces what stood there. */
export function setPrincipal(metadata: Metadata, { name }: Principal): void {
  metadata.set(PRINCIPAL_KEY, name);
}

/** Name of who calls; empty where no guard looked at the call (in process). */
export function principalOf(metadata: Metadata): string {
  return String(metadata.get(PRINCIPAL_KEY)[0] ?? "");
}

/** Whether the principal came over TCP. */
export function isRemote(principal: string): boolean {
  return principal !== "" && !principal.startsWith("socket:");
}
