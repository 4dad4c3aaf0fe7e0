/** Raw HTTP/2 for hostile peers: frames as RFC 9113 writes them, header blocks of literals alone (RFC 7541, 6.2.2). */
export const PREFACE = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

export const TYPE = { data: 0, headers: 1, reset: 3, settings: 4, ping: 6, continuation: 9 } as const;
export const FLAG = { none: 0, ack: 1, endStream: 1, endHeaders: 4 } as const;

/** One frame. */
export function frame(
  type: number,
  flags: number,
  stream: number,
  payload: Uint8Array = Buffer.alloc(0),
): Buffer {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(type, 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(stream, 5);
  return Buffer.concat([head, payload]);
}

/** A header block. */
export function headers(fields: Readonly<{ [name: string]: string }>): Buffer {
  return Buffer.concat(
    Object.entries(fields).map(([name, value]) => Buffer.concat([Buffer.of(0), text(name), text(value)])),
  );
}

/** Headers of a gRPC call. */
export function callTo(path: string, more: Readonly<{ [name: string]: string }> = {}): Buffer {
  return headers({
    ":method": "POST",
    ":scheme": "https",
    ":path": path,
    ":authority": "daemon",
    te: "trailers",
    "content-type": "application/grpc",
    ...more,
  });
}

/** A string with its length in a prefix of 7 bits (RFC 7541, 5.1). */
function text(value: string): Buffer {
  const bytes = Buffer.from(value);
  if (bytes.length < 127) return Buffer.concat([Buffer.of(bytes.length), bytes]);
  const length = [127];
  let rest = bytes.length - 127;
  for (; rest >= 128; rest >>= 7) length.push((rest & 127) | 128);
  return Buffer.concat([Buffer.from([...length, rest]), bytes]);
}
