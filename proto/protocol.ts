/** Versions of the wire protocol that this tree speaks. A client and a daemon need one in common. */
export const PROTOCOL_MIN = 1;
export const PROTOCOL_MAX = 1;

/** Largest frame, in bytes of its encoding. */
export const MAX_FRAME_BYTES = 4 * 1024 * 1024;
/** Largest chunk of weights in one message, bytes. */
export const WEIGHTS_CHUNK_BYTES = 1024 * 1024;
/** Largest gRPC message either side accepts, bytes. */
export const MAX_MESSAGE_BYTES = 16 * 1024 * 1024;
/** Longest metric key, UTF-8 bytes. */
export const MAX_KEY_BYTES = 1024;
