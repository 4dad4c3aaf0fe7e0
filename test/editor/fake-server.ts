/** The language server in this process, over a view and features that a test makes. */
import { PassThrough } from "node:stream";
import type { DaemonDocument } from "@pipekit/proto/editor";
import {
  createMessageConnection,
  type MessageConnection,
  StreamMessageReader,
  StreamMessageWriter,
} from "vscode-jsonrpc/node";
import type { FeatureContext, Features } from "../../daemon/editor/features/feature.ts";
import type { SourceFile, TextEdit } from "../../daemon/editor/references/reference.ts";
import { EditorServer } from "../../daemon/editor/server.ts";
import type { Notify, View, ViewSession } from "../../daemon/view/index.ts";

export const CONNECTED: DaemonDocument = {
  state: "connected",
  message: "",
  mend: "",
  version: "0.1.0",
  endpoint: "unix:/x.sock",
  editorProtocol: 1,
  mayChange: true,
};

/** A view that knows nothing; its session answers what the test gives. */
export class FakeView {
  status: DaemonDocument = CONNECTED;
  watched = 0;
  closed = 0;
  notify: Notify = () => {};
  answer: ViewSession["request"] = async () => ({});
  readonly #listeners = new Set<(status: DaemonDocument) => void>();

  tellStatus(status: DaemonDocument): void {
    this.status = status;
    for (const listener of this.#listeners) listener(status);
  }

  asView(): View {
    const session = (notify: Notify): ViewSession => {
      this.notify = notify;
      return {
        request: (method, params, signal) => this.answer(method, params, signal),
        watch: () => {
          this.watched += 1;
        },
        close: () => {
          this.closed += 1;
        },
      };
    };
    const link = {
      onStatus: (listener: (status: DaemonDocument) => void) => {
        this.#listeners.add(listener);
        return () => this.#listeners.delete(listener);
      },
    };
    return { link, session } as unknown as View;
  }
}

/** A source that keeps the text that its edits make. */
export class FakeSource implements SourceFile {
  text: string;

  constructor(text: string) {
    this.text = text;
  }

  edit(edits: readonly TextEdit[]): void {
    for (const { from, to, insert } of edits)
      this.text = this.text.slice(0, from) + insert + this.text.slice(to);
  }

  outline = async () => ({ references: [], calls: [] });
  slotAt = async () => undefined;
  lineEnd = async (at: number) => ({ at, kind: "code" as const });
}

/** Features that find nothing; a hover tells the text of the file, twice: the document's, and the source's. */
export function fakeFeatures(over: Partial<Features> = {}): Features {
  return {
    hover: async (file) => ({
      contents: { kind: "plaintext", value: JSON.stringify([file.document.getText(), file.source?.text]) },
    }),
    complete: async () => null,
    diagnostics: async () => [],
    inlayHints: async () => [],
    links: async () => [],
    lenses: async () => [],
    actions: async () => [],
    symbols: async () => [],
    commands: ["pipekit.promote"],
    execute: async () => null,
    close: () => {},
    ...over,
  };
}

export interface FakeServer extends Disposable {
  readonly view: FakeView;
  readonly client: MessageConnection;
  /** Takes raw bytes. */
  readonly input: PassThrough;
  readonly log: string[];
  /** What features were made with; there after `initialize`. */
  readonly context: FeatureContext;
  /** The exit code. */
  readonly ended: Promise<number>;
  readonly told: { readonly method: string; readonly params: unknown }[];
  /** Answers of the server that no request waits for, such as those to raw bytes. */
  readonly refusals: {
    readonly id: unknown;
    readonly error: { readonly code: number; readonly message: string };
  }[];
  initialize(params?: object): Promise<unknown>;
}

/** Starts it; `dispose` ends its input. */
export function startFakeServer(features: Partial<Features> = {}): FakeServer {
  const view = new FakeView();
  const [input, output] = [new PassThrough(), new PassThrough()];
  const log: string[] = [];
  let context: FeatureContext | undefined;
  const server = new EditorServer(
    { input, output, view: view.asView(), env: {}, writeLog: (line) => log.push(line) },
    {
      features: (given) => {
        context = given;
        return fakeFeatures(features);
      },
      openSource: (languageId, text) => (languageId === "python" ? new FakeSource(text) : undefined),
    },
  );
  const reader = new StreamMessageReader(output);
  const refusals: FakeServer["refusals"] = [];
  const client = createMessageConnection(
    {
      onError: reader.onError,
      onClose: reader.onClose,
      onPartialMessage: reader.onPartialMessage,
      dispose: () => reader.dispose(),
      listen: (callback) =>
        reader.listen((message) => {
          if ("id" in message && message.id === null) refusals.push(message as never);
          else callback(message);
        }),
    },
    new StreamMessageWriter(input),
  );
  const told: FakeServer["told"] = [];
  client.onNotification((method, params) => void told.push({ method, params }));
  client.listen();
  const ended = server.serve();
  return {
    view,
    client,
    input,
    log,
    told,
    refusals,
    ended,
    get context() {
      if (context === undefined) throw new Error("It is not initialized.");
      return context;
    },
    initialize: async (params = {}) => {
      const result = await client.sendRequest("initialize", { processId: null, capabilities: {}, ...params });
      await client.sendNotification("initialized", {});
      return result;
    },
    [Symbol.dispose]() {
      input.end();
      client.dispose();
    },
  };
}
