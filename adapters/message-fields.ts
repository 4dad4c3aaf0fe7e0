import { BinaryReader } from "@bufbuild/protobuf/wire";

/** The length-delimited fields of a message, by number, in order. */
export function fieldsOf(message: Uint8Array): Map<number, Uint8Array[]> {
  const fields = new Map<number, Uint8Array[]>();
  const reader = new BinaryReader(message);
  while (reader.pos < reader.len) {
    const [field, type] = reader.tag();
    if (type !== 2) {
      reader.skip(type, field);
      continue;
    }
    const known = fields.get(field);
    if (known === undefined) fields.set(field, [reader.bytes()]);
    else known.push(reader.bytes());
  }
  return fields;
}
