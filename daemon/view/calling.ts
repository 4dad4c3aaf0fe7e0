import type { Client } from "@pipekit/experiment";
import { isAway } from "./aborting.ts";
import type { Link } from "./link.ts";

/** Makes a call; when the daemon has gone meanwhile, finds it again, or starts it, and makes the call once more. */
export async function call<T>(
  link: Link,
  make: (client: Client) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  const connected = await link.connected(signal);
  try {
    return await make(connected.client);
  } catch (error) {
    if (signal?.aborted || !isAway(error)) throw error;
    link.drop(connected);
    return make(await link.client(signal));
  }
}

/** As `call`, for what must not be done twice: a call that breaks off is not made again. */
export async function callOnce<T>(
  link: Link,
  make: (client: Client) => Promise<T>,
  signal: AbortSignal | undefined,
): Promise<T> {
  return make(await link.client(signal));
}
