/** Messages of the daemon's services, made by their .proto files: fields that fit their types and nothing else. */
import { resolve } from "node:path";
import loader from "@grpc/proto-loader";
import fc from "fast-check";
import { varint } from "./bytes.ts";

/** What a descriptor says of a field. */
interface Field {
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName: string;
}

interface Descriptor {
  readonly name: string;
  readonly field: readonly Field[];
  readonly nestedType: readonly Descriptor[];
}

/** A method of a service, and messages for it. */
export interface FuzzedMethod {
  readonly path: string;
  /** Whether a call takes many messages. */
  readonly takesMany: boolean;
  readonly requests: fc.Arbitrary<Buffer>;
}

const NAMES = ["config", "daemon", "dataset", "registry", "tracker"];
const PREFIX = "pipekit.experiment.v1.";

const definitions = loader.loadSync(
  NAMES.map((name) => `pipekit/experiment/v1/${name}.proto`),
  { includeDirs: [resolve(import.meta.dirname, "../../proto")] },
);

/** Every method of every service. `texts` are what strings of messages are, beside random ones. */
export function fuzzedMethods(texts: readonly string[]): FuzzedMethod[] {
  const make = new Messages(texts);
  return Object.values(definitions).flatMap((definition) => {
    if ("format" in definition) return [];
    return Object.values(definition).map(({ path, requestStream, requestType }) => ({
      path,
      takesMany: requestStream,
      requests: make.message(requestType.type as Descriptor),
    }));
  });
}

/** Integers at which counts, sizes and times go wrong. */
const INTEGERS = [
  0n,
  1n,
  2n,
  7n,
  1000n,
  2n ** 31n - 1n,
  2n ** 31n,
  2n ** 32n,
  2n ** 53n - 1n,
  2n ** 53n,
].flatMap((it) => [it, BigInt.asUintN(64, -it)]);
const integer = fc.oneof(
  fc.constantFrom(...INTEGERS, 2n ** 63n - 1n, 2n ** 63n, 2n ** 64n - 1n),
  fc.bigInt({ min: 0n, max: 2n ** 64n - 1n }),
  fc.bigInt({ min: 0n, max: 5n }),
);

class Messages {
  readonly #text: fc.Arbitrary<string>;
  readonly #known = new Map<string, fc.Arbitrary<Buffer>>();

  constructor(texts: readonly string[]) {
    // No slash: a path that is made up leads nowhere but into the daemon's folder.
    const random = fc.string({ unit: "binary", maxLength: 30 }).map((text) => text.replaceAll(/[/\\]/g, "_"));
    this.#text = fc.oneof({ arbitrary: fc.constantFrom(...texts), weight: 4 }, random);
  }

  message(descriptor: Descriptor, depth = 0): fc.Arbitrary<Buffer> {
    const known = `${descriptor.name} ${depth}`;
    let made = this.#known.get(known);
    if (made === undefined) {
      const fields = descriptor.field.map((field) => this.#field(field, descriptor, depth));
      made = fc.tuple(...fields).map((parts) => Buffer.concat(parts));
      this.#known.set(known, made);
    }
    return made;
  }

  #field(field: Field, of: Descriptor, depth: number): fc.Arbitrary<Buffer> {
    const one = this.#value(field, of, depth);
    const none = fc.constant(Buffer.alloc(0));
    const most = field.label === "LABEL_REPEATED" ? 4 : 1;
    const some = fc.array(one, { minLength: 1, maxLength: most }).map((parts) => Buffer.concat(parts));
    return fc.oneof({ arbitrary: none, weight: 1 }, { arbitrary: some, weight: depth > 4 ? 0 : 3 });
  }

  #value({ number, type, typeName }: Field, of: Descriptor, depth: number): fc.Arbitrary<Buffer> {
    switch (type) {
      case "TYPE_STRING":
        return this.#text.map((text) => delimited(number, Buffer.from(text)));
      case "TYPE_BYTES":
        return columnBytes.map((bytes) => delimited(number, bytes));
      case "TYPE_MESSAGE": {
        if (depth > 4) return fc.constant(delimited(number, Buffer.alloc(0)));
        const inner = of.nestedType.find(({ name }) => name === typeName) ?? descriptorOf(typeName);
        return this.message(inner, depth + 1).map((bytes) => delimited(number, bytes));
      }
      case "TYPE_DOUBLE":
        return fc.double().map((value) => {
          const bytes = Buffer.alloc(8);
          bytes.writeDoubleLE(value);
          return Buffer.concat([varint(BigInt(number * 8 + 1)), bytes]);
        });
      case "TYPE_INT32":
      case "TYPE_INT64":
      case "TYPE_UINT64":
      case "TYPE_BOOL":
      case "TYPE_ENUM":
        return integer.map((value) => Buffer.concat([varint(BigInt(number * 8)), varint(value)]));
      default:
        throw new Error(`Fields of ${type} are new: say here how they are made.`);
    }
  }
}

/** Columns of a few rows, of the right width and not. */
const columnBytes = fc.oneof(
  fc.uint8Array({ maxLength: 40 }),
  fc.array(fc.nat(3), { maxLength: 8 }).map((rows) => {
    const bytes = Buffer.alloc(rows.length * 4);
    for (const [i, row] of rows.entries()) bytes.writeUInt32LE(row, i * 4);
    return bytes;
  }),
  fc.array(integer, { maxLength: 8 }).map((rows) => {
    const bytes = Buffer.alloc(rows.length * 8);
    for (const [i, row] of rows.entries()) bytes.writeBigUInt64LE(row, i * 8);
    return bytes;
  }),
);

function descriptorOf(typeName: string): Descriptor {
  const found = definitions[`${PREFIX}${typeName.replace(/^\./, "").replace(PREFIX, "")}`];
  if (found === undefined || !("format" in found)) throw new Error(`No message ${typeName}.`);
  return found.type as Descriptor;
}

/** A field of bytes, text or a message. */
export function delimited(number: number, bytes: Uint8Array): Buffer {
  return Buffer.concat([varint(BigInt(number * 8 + 2)), varint(BigInt(bytes.length)), bytes]);
}
