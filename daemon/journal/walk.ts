/**
 * Finds the metric columns in an encoded frame without decoding the rest and without loading the generated code
 * (which brings gRPC along, 17 MB for each worker). The wire format is protobuf's: a varint tag, then by type.
 */

/** Columns as they lie in the frame; nothing is copied. */
export interface RawColumns {
  readonly keySets: readonly (readonly string[])[];
  readonly rows: number;
  readonly rowKeySet: DataView;
  readonly rowStep: DataView;
  readonly rowTimeUs: DataView;
  readonly values: DataView;
}

const FRAME_RECORDS = 4;
const RECORD_METRICS = 3;
const KEY_SET_KEYS = 1;
const KEY_SETS = 1;
const ROW_KEY_SET = 2;
const ROW_STEP = 3;
const ROW_TIME_US = 4;
const VALUES = 5;
const EMPTY = new Uint8Array(0);

/** Calls `visit` for each batch of metric columns of an encoded Frame, in order. Throws RangeError on bytes that are no message. */
export function eachColumns(frame: Uint8Array, visit: (columns: RawColumns) => void): void {
  eachField(frame, (field, record) => {
    if (field !== FRAME_RECORDS) return;
    eachField(record, (kind, message) => {
      if (kind === RECORD_METRICS) visit(readColumns(message));
    });
  });
}

function readColumns(message: Uint8Array): RawColumns {
  const keySets: string[][] = [];
  const columns: Uint8Array[] = [EMPTY, EMPTY, EMPTY, EMPTY, EMPTY, EMPTY];
  eachField(message, (field, bytes) => {
    if (field === KEY_SETS) keySets.push(readKeys(bytes));
    else if (field <= VALUES) columns[field] = bytes;
  });
  const view = (field: number): DataView => {
    const bytes = columns[field] ?? EMPTY;
    return new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  };
  const rowKeySet = view(ROW_KEY_SET);
  return {
    keySets,
    rows: rowKeySet.byteLength / 4,
    rowKeySet,
    rowStep: view(ROW_STEP),
    rowTimeUs: view(ROW_TIME_US),
    values: view(VALUES),
  };
}

function readKeys(keySet: Uint8Array): string[] {
  const keys: string[] = [];
  eachField(keySet, (field, bytes) => {
    if (field === KEY_SET_KEYS) {
      keys.push(Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString());
    }
  });
  return keys;
}

/** Visits the length-delimited fields of a message and skips the others. */
function eachField(message: Uint8Array, visit: (field: number, bytes: Uint8Array) => void): void {
  let at = 0;
  const varint = (): number => {
    for (let value = 0, scale = 1; ; scale *= 128) {
      const byte = message[at++];
      if (byte === undefined) throw new RangeError("a frame is cut off");
      value += (byte & 127) * scale;
      if (byte < 128) return value;
    }
  };
  while (at < message.length) {
    const tag = varint();
    const type = tag % 8;
    if (type === 0) {
      varint();
    } else if (type === 1) {
      at += 8;
    } else if (type === 5) {
      at += 4;
    } else if (type === 2) {
      const length = varint();
      if (at + length > message.length) throw new RangeError("a frame is cut off");
      visit(Math.floor(tag / 8), message.subarray(at, at + length));
      at += length;
    } else {
      throw new RangeError(`a frame holds the unknown wire type ${type}`);
    }
  }
}
