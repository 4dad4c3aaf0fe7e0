/**
 * Specs of MLflow registries: those of the tracker (../spec.ts) with the name of a registered model where an
 * experiment stands there, and one more key, `poll_ms`: how often a watched tag is looked at, milliseconds.
 *
 *     mlflow+https://HOST[:PORT]/REGISTERED_MODEL[?QUERY]
 */

import { SpecError } from "@pipekit/adapters/tracker";
import { endpointOf, formatSpec, type MlflowSpec, readSpec } from "../spec.ts";

/** A spec, understood. */
export interface RegistrySpec {
  readonly server: Omit<MlflowSpec, "experiment">;
  /** Of the registered model. */
  readonly name: string;
  /** The one spelling. */
  readonly canonical: string;
  /** Server, credential references and name: what calls of one process must take turns at. */
  readonly place: string;
  readonly pollMs: number;
}

const GRAMMAR = {
  noun: "registered model",
  keys: ["base", "token", "username", "password", "poll_ms"],
  example: "mlflow://127.0.0.1:5000/my-models",
};
const DEFAULT_POLL_MS = 1000;
const POLL_MS = { least: 50, most: 3_600_000 };
const LONGEST_NAME = 250;

/** Reads a spec. Throws SpecError. */
export function parseRegistrySpec(text: string): RegistrySpec {
  const { spec, query } = readSpec(text, GRAMMAR);
  const { experiment: name, ...server } = spec;
  checkName(name);
  const pollMs = readPollMs(query.get("poll_ms"));
  const plain = formatSpec(spec);
  const poll = pollMs === DEFAULT_POLL_MS ? "" : `${plain.includes("?") ? "&" : "?"}poll_ms=${pollMs}`;
  return { server, name, canonical: plain + poll, place: `${endpointOf(spec)} ${name}`, pollMs };
}

function checkName(name: string): void {
  const odd = /[/:'"`\\\p{Cc}]/u.exec(name)?.[0];
  if (odd !== undefined) {
    throw new SpecError(
      `The name of the registered model holds ${JSON.stringify(odd)}.`,
      "MLflow takes no slash and no colon in it, and its search no quotes; choose another name.",
    );
  }
  if (name === "." || name.startsWith("..") || name !== name.trim()) {
    throw new SpecError(
      "The name of the registered model is not plain.",
      "Choose a name without dots or spaces at its ends.",
    );
  }
  if ([...name].length > LONGEST_NAME) {
    throw new SpecError(
      `The name of the registered model is longer than ${LONGEST_NAME} characters.`,
      "Choose a shorter name; MLflow takes no longer one.",
    );
  }
}

function readPollMs(text: string | undefined): number {
  if (text === undefined) return DEFAULT_POLL_MS;
  const value = /^\d{1,9}$/.test(text) ? Number(text) : 0;
  if (value >= POLL_MS.least && value <= POLL_MS.most) return value;
  throw new SpecError(
    "The `poll_ms` of the MLflow spec is not a number of milliseconds that serves.",
    `Give ${POLL_MS.least} to ${POLL_MS.most}; ${DEFAULT_POLL_MS} is the default.`,
  );
}
