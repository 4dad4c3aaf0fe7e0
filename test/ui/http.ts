/** Asks a page's server as a browser would, or as one that does not keep to the rules. */
import { type IncomingHttpHeaders, request } from "node:http";
import { connect } from "node:net";

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
}

export interface Question {
  readonly method?: string;
  readonly headers?: { readonly [name: string]: string };
  readonly body?: string | Buffer;
}

/** Sends one request over a connection of its own. The path goes as it is. */
export function ask(port: number, path: string, question: Question = {}): Promise<Answer> {
  return new Promise((done, fail) => {
    const { method = "GET", headers, body } = question;
    const asked = request({ host: "127.0.0.1", port, path, method, headers, agent: false });
    asked.on("error", fail);
    asked.on("response", (response) => {
      let text = "";
      response.setEncoding("utf8");
      response.on("data", (chunk: string) => {
        text += chunk;
      });
      response.on("error", fail);
      response.on("end", () => done({ status: response.statusCode ?? 0, headers: response.headers, text }));
    });
    asked.end(body);
  });
}

/** Sends bytes and takes what comes until the server ends the connection, or until this text came. */
export function askRaw(port: number, bytes: string | Buffer, enough?: string): Promise<string> {
  return new Promise((done) => {
    let text = "";
    const socket = connect(port, "127.0.0.1", () => socket.write(bytes));
    socket.on("data", (chunk: Buffer) => {
      text += chunk.toString("latin1");
      if (enough !== undefined && text.includes(enough)) socket.destroy();
    });
    socket.on("error", () => undefined);
    socket.on("close", () => done(text));
  });
}

/** The cookie that an address is exchanged for. */
export async function letIn(address: string): Promise<string> {
  const { port, pathname, search } = new URL(address);
  const answer = await ask(Number(port), pathname + search);
  if (answer.status !== 200) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.headers["set-cookie"]?.[0]?.split(";")[0] ?? "";
}

export interface Events extends AsyncDisposable {
  readonly session: string;
  /** What came after the session, each the data of a notification. */
  readonly notifications: { readonly method: string; readonly params: unknown }[];
  /** Stops to read, as a page does that stands still. */
  pause(): void;
  /** Resolves when the stream has ended. */
  readonly ended: Promise<void>;
}

/** Opens the stream of a page and waits for its session. Rejects with the answer when it is none. */
export function openEvents(port: number, cookie: string): Promise<Events> {
  return new Promise((done, fail) => {
    const asked = request({ host: "127.0.0.1", port, path: "/events", agent: false, headers: { cookie } });
    asked.on("error", fail);
    asked.on("response", (response) => {
      if (response.statusCode !== 200) {
        response.resume();
        fail(new Error(`status ${response.statusCode}`));
        return;
      }
      const notifications: Events["notifications"] = [];
      const ended = new Promise<void>((end) => response.once("close", end));
      let text = "";
      response.setEncoding("utf8");
      response.on("error", () => undefined);
      response.on("data", (chunk: string) => {
        text += chunk;
        if (!chunk.endsWith("\n")) return;
        const blocks = text.split("\n\n");
        text = blocks.pop() ?? "";
        for (const block of blocks) {
          const [, event, data] = /^event: (\w+)\ndata: (.*)$/.exec(block) ?? [];
          if (event === "notification") notifications.push(JSON.parse(data ?? ""));
          if (event !== "session") continue;
          done({
            session: JSON.parse(data ?? "").session,
            notifications,
            pause: () => response.pause(),
            ended,
            [Symbol.asyncDispose]: async () => {
              asked.destroy();
              await ended;
            },
          });
        }
      });
    });
    asked.end();
  });
}
