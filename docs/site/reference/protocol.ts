/** The gRPC services, made of the comments in the .proto files. */

import { execFileSync } from "node:child_process";
import { join } from "node:path";
import { type Page, ROOT } from "../stage.ts";
import { generated, head, row } from "./page.ts";

/**
 * A file of a descriptor set as JSON, as far as it is read here. Numbers of a path are those of the fields of
 * FileDescriptorProto. Source: google/protobuf/descriptor.proto.
 */
interface FileDescriptor {
  readonly name: string;
  readonly service?: readonly { readonly name: string; readonly method?: readonly Method[] }[];
  readonly messageType?: readonly Message[];
  readonly enumType?: readonly Enumeration[];
  readonly sourceCodeInfo: {
    readonly location: readonly { readonly path?: readonly number[]; readonly leadingComments?: string }[];
  };
}

interface Method {
  readonly name: string;
  readonly inputType: string;
  readonly outputType: string;
  readonly clientStreaming?: boolean;
  readonly serverStreaming?: boolean;
}

interface Message {
  readonly name: string;
  readonly field?: readonly Field[];
  readonly nestedType?: readonly (Message & { readonly options?: { readonly mapEntry?: boolean } })[];
  readonly enumType?: readonly Enumeration[];
  readonly oneofDecl?: readonly { readonly name: string }[];
}

interface Field {
  readonly name: string;
  readonly number: number;
  readonly label: string;
  readonly type: string;
  readonly typeName?: string;
  readonly oneofIndex?: number;
  readonly proto3Optional?: boolean;
}

interface Enumeration {
  readonly name: string;
  readonly value?: readonly { readonly name: string; readonly number: number }[];
}

const PACKAGE = ".pipekit.experiment.v1.";
const MESSAGE = 4;
const ENUM = 5;
const SERVICE = 6;

/** The .proto files, compiled by buf, with their comments. */
export function readProtos(): FileDescriptor[] {
  const buf = join(ROOT, "node_modules/.bin/buf");
  const args = ["build", "-o", "-#format=json", "--as-file-descriptor-set"];
  const json = execFileSync(buf, args, { cwd: ROOT, encoding: "utf8", maxBuffer: 64 << 20 });
  return (JSON.parse(json) as { file: FileDescriptor[] }).file.filter(({ name }) =>
    name.startsWith("pipekit/experiment/"),
  );
}

/** The comment at a place of a file, as one paragraph a blank line. */
function commentsOf(file: FileDescriptor): (...path: number[]) => string {
  const found = new Map(
    file.sourceCodeInfo.location.map(({ path, leadingComments }) => [path?.join("."), leadingComments ?? ""]),
  );
  return (...path) => (found.get(path.join(".")) ?? "").replace(/^ /gm, "").trim();
}

/** The page of the services. Throws for a service, method, message, field or value without a comment. */
export function protocolPage(): Page {
  const lines = [
    "# Protocol",
    "",
    "gRPC, package `pipekit.experiment.v1`, over the unix socket or [TCP](/remote). The daemon also serves the standard health and",
    "reflection services: `grpcurl -unix PATH list` shows it all. A failed call carries an `ErrorDetail` in the trailer",
    "`pipekit-error-bin`; [its codes](/reference/errors).",
    "",
  ];
  const missing: string[] = [];
  for (const file of readProtos()) {
    const comments = commentsOf(file);
    const told = (name: string, ...path: number[]) => {
      const comment = comments(...path);
      if (comment === "") missing.push(`${file.name}: ${name}`);
      return comment;
    };
    for (const [i, service] of (file.service ?? []).entries()) {
      lines.push(`## ${service.name}`, "", told(service.name, SERVICE, i), "");
      for (const [j, method] of (service.method ?? []).entries()) {
        lines.push(`### ${service.name}.${method.name}`, "", `\`${signature(method)}\``, "");
        lines.push(told(method.name, SERVICE, i, 2, j), "");
      }
    }
    for (const [i, message] of (file.messageType ?? []).entries()) {
      lines.push(...messageLines(message, message.name, told, MESSAGE, i));
    }
    for (const [i, one] of (file.enumType ?? []).entries())
      lines.push(...enumLines(one, one.name, told, ENUM, i));
  }
  if (missing.length > 0) throw new Error(`Without a comment in proto/:\n${missing.join("\n")}`);
  return generated("protocol.md", lines);
}

type Told = (name: string, ...path: number[]) => string;

function messageLines(message: Message, name: string, told: Told, ...path: number[]): string[] {
  const lines = [`### ${name}`, "", told(name, ...path), ""];
  const fields = message.field ?? [];
  if (fields.length > 0) {
    lines.push(...head("field", "type", "what"));
    lines.push(
      ...fields.map((field, i) =>
        row(
          `\`${field.name} = ${field.number}\``,
          `\`${typeOf(field, message)}\``,
          told(`${name}.${field.name}`, ...path, 2, i) + alternatives(field, message),
        ),
      ),
    );
    lines.push("");
  }
  for (const [i, nested] of (message.nestedType ?? []).entries()) {
    if (!nested.options?.mapEntry) {
      lines.push(...messageLines(nested, `${name}.${nested.name}`, told, ...path, 3, i));
    }
  }
  for (const [i, one] of (message.enumType ?? []).entries()) {
    lines.push(...enumLines(one, `${name}.${one.name}`, told, ...path, 4, i));
  }
  return lines;
}

function enumLines(one: Enumeration, name: string, told: Told, ...path: number[]): string[] {
  return [
    `### ${name}`,
    "",
    told(name, ...path),
    "",
    ...head("value", "what"),
    ...(one.value ?? []).map((value, i) =>
      row(`\`${value.name} = ${value.number}\``, told(`${name}.${value.name}`, ...path, 2, i)),
    ),
    "",
  ];
}

function signature({ name, inputType, outputType, clientStreaming, serverStreaming }: Method): string {
  const side = (type: string, streams = false) => `${streams ? "stream " : ""}${type.replace(PACKAGE, "")}`;
  return `rpc ${name}(${side(inputType, clientStreaming)}) returns (${side(outputType, serverStreaming)})`;
}

function alternatives(field: Field, message: Message): string {
  if (field.oneofIndex === undefined || field.proto3Optional) return "";
  return ` (one of \`${message.oneofDecl?.[field.oneofIndex]?.name}\`)`;
}

function typeOf(field: Field, message: Message): string {
  const plain = field.typeName?.replace(PACKAGE, "") ?? field.type.replace("TYPE_", "").toLowerCase();
  const entry = message.nestedType?.find(
    ({ name, options }) => options?.mapEntry && plain === `${message.name}.${name}`,
  );
  if (entry !== undefined) {
    const [key, value] = (entry.field ?? []).map((one) => typeOf({ ...one, label: "" }, entry));
    return `map<${key}, ${value}>`;
  }
  if (field.label === "LABEL_REPEATED") return `repeated ${plain}`;
  return field.proto3Optional ? `optional ${plain}` : plain;
}
