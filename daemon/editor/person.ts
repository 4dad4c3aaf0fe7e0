/** Questions and messages to the person at the editor. */
import { z } from "zod";
import { reasonOf } from "../view/documents/failure.ts";
import type { FeatureContext } from "./features/feature.ts";
import type { Log } from "./log.ts";

/** MessageType of the protocol. */
const TYPES = { error: 1, warning: 2, info: 3 } as const;

const choice = z.object({ title: z.string() }).nullish();
const line = z.object({ text: z.string() }).nullish();

/** The way to the client. Both reject when it is gone, or refuses. */
export interface ClientLink {
  request(method: string, ...params: [params?: unknown]): Promise<unknown>;
  notify(method: string, params: unknown): void;
}

export class Person {
  readonly #client: ClientLink;
  readonly #log: Log;
  readonly #told = new Set<string>();

  constructor(client: ClientLink, log: Log) {
    this.#client = client;
    this.#log = log;
  }

  /** Resolves to the title chosen, or undefined; also where the client cannot ask. */
  readonly ask: FeatureContext["ask"] = async (message, choices) => {
    const actions = choices.map((title) => ({ title }));
    const answer = await this.#ask(
      "window/showMessageRequest",
      { type: TYPES.info, message, actions },
      choice,
    );
    return choices.find((title) => title === answer?.title);
  };

  /** Asks for a line of text by `pipekit/askText`, which clients may offer. */
  readonly askText = async (prompt: string): Promise<string | undefined> => {
    return (await this.#ask("pipekit/askText", { prompt }, line))?.text;
  };

  readonly tell: FeatureContext["tell"] = (level, message) => {
    this.#client.notify("window/showMessage", { type: TYPES[level], message });
  };

  /** Tells a message that was not told yet. */
  tellOnce(level: keyof typeof TYPES, message: string, about = message): void {
    if (this.#told.has(about)) return;
    this.#told.add(about);
    this.tell(level, message);
  }

  async #ask<T>(method: string, params: unknown, schema: z.ZodType<T>): Promise<T | undefined> {
    try {
      return schema.parse(await this.#client.request(method, params));
    } catch (error) {
      this.#log.warn(`The editor did not answer ${method}: ${reasonOf(error)}`);
      return undefined;
    }
  }
}
