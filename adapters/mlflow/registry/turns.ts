import { KeyedMutex } from "../../keyed-mutex.ts";

/** Work on one thing, one after the other, of the whole process: two backends of one registry share their turns. */
export const turns = new KeyedMutex();
