/** Starts player.py and plays pages with it: in a folder of their own, with a daemon of their own. */

import { type ChildProcess, spawn } from "node:child_process";
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { createInterface } from "node:readline";
import { connect } from "@pipekit/experiment";
import { SinkState } from "@pipekit/proto";
import { vi } from "vitest";
import { toolPath } from "../support/tools.ts";
import { type Block, ROOT } from "./markdown.ts";
import { whyNotRun } from "./programs.ts";
import { withStandIns } from "./stand-ins.ts";

/** How a page went: what each of its blocks printed, in their order. */
export interface Played {
  readonly printed: ReadonlyMap<Block, string>;
}

interface Answer {
  readonly id: string;
  readonly printed: readonly string[];
  readonly failed: number;
  readonly why: string;
}

/** Plays pages, several at once. */
export class Player {
  readonly #child: ChildProcess;
  readonly #waiting = new Map<string, PromiseWithResolvers<Answer>>();
  readonly #ended: Promise<void>;
  /** Holds the pages' folders, and their state and sockets: a short path, and outside of the repository, where no block can harm it. */
  readonly #home: string;
  readonly #env: NodeJS.ProcessEnv;
  readonly #s3: string;
  readonly #makeBucket: (name: string) => Promise<void>;

  /** `env` is what processes find the S3 server `s3` by; `makeBucket` makes a bucket there. */
  constructor(home: string, s3: string, env: NodeJS.ProcessEnv, makeBucket: (name: string) => Promise<void>) {
    this.#makeBucket = makeBucket;
    this.#home = home;
    // All that TypeScript needs of the repository.
    mkdirSync(join(home, "pages/node_modules/@pipekit"), { recursive: true });
    symlinkSync(join(ROOT, "clients/typescript"), join(home, "pages/node_modules/@pipekit/experiment"));
    this.#s3 = s3;
    this.#env = env;
    const child = spawn(toolPath("python"), [join(import.meta.dirname, "player.py")], {
      stdio: ["pipe", "pipe", "inherit"],
      env: { ...process.env, ...env, PYTHONDONTWRITEBYTECODE: "1" },
    });
    this.#child = child;
    createInterface({ input: child.stdout }).on("line", (line) => {
      const answer = JSON.parse(line) as Answer;
      this.#waiting.get(answer.id)?.resolve(answer);
    });
    this.#ended = new Promise((done) => {
      child.on("close", (code) => {
        for (const one of this.#waiting.values()) one.reject(new Error(`player.py ended with ${code}.`));
        done();
      });
    });
  }

  /** Runs the blocks of a page in their order. Throws with the traceback of the first that fails. */
  async play(page: string, blocks: readonly Block[]): Promise<Played> {
    const name = page
      .replace(/\.md$/, "")
      .replace(/[^\w-]/g, "-")
      .toLowerCase();
    const folder = join(this.#home, "pages", name);
    const home = join(this.#home, String(this.#waiting.size));
    mkdirSync(folder, { recursive: true });
    const places = { folder, s3: this.#s3, bucket: `page-${this.#waiting.size}` };
    const env = this.#environment(home);
    const settings = blocks.find(({ language, code }) => language === "yaml" && isSettings(code));
    if (settings !== undefined) {
      mkdirSync(join(home, "config/pipekit-experiment"), { recursive: true });
      writeFileSync(join(home, "config/pipekit-experiment/config.yaml"), withStandIns(settings.code, places));
    }
    const steps = blocks.flatMap((block) => {
      const kind = kindOf(block);
      return kind === undefined ? [] : [{ ...block, kind, code: withStandIns(block.code, places), block }];
    });
    const preamble = join(import.meta.dirname, `preambles/${name}.py`);
    const before = existsSync(preamble)
      ? [
          {
            kind: "python",
            page: basename(preamble),
            line: 1,
            code: withStandIns(readFileSync(preamble, "utf8"), places),
          },
        ]
      : [];
    const waiting = Promise.withResolvers<Answer>();
    this.#waiting.set(page, waiting);
    const request = {
      ...{ id: page, folder, env, log: join(folder, ".stderr") },
      modules: [join(import.meta.dirname, "modules")],
      steps: [...before, ...steps.map(({ block: _, ...step }) => step)],
    };
    if (JSON.stringify(request).includes(places.bucket)) await this.#makeBucket(places.bucket);
    this.#child.stdin?.write(`${JSON.stringify(request)}\n`);
    const { printed, failed, why } = await waiting.promise;
    try {
      if (failed !== 0) {
        const said = readFileSync(request.log, "utf8").slice(-3000);
        throw new Error(`The block at ${page}:${failed} failed.\n${why}\n${printed.join("\n")}\n${said}`);
      }
      await this.#finish(env);
    } finally {
      await this.#stopDaemon(env);
    }
    const outputs = printed.slice(before.length);
    return { printed: new Map(steps.map(({ block }, i) => [block, outputs[i] ?? ""])) };
  }

  /** What a process of a page sees: this machine's programs, and nothing of its user. */
  #environment(home: string): NodeJS.ProcessEnv {
    return {
      ...this.#env,
      PATH: [join(ROOT, ".venv/bin"), join(ROOT, "node_modules/.bin"), process.env["PATH"]].join(":"),
      HOME: home,
      USER: "reader",
      LANG: "C.UTF-8",
      KERAS_BACKEND: "jax",
      PYTHONDONTWRITEBYTECODE: "1",
      PKX_DOCS_REPOSITORY: ROOT,
      DVC_NO_ANALYTICS: "1",
      PKX_STATE_DIR: join(home, "state"),
      PKX_RUNTIME_DIR: join(home, "run"),
      XDG_CONFIG_HOME: join(home, "config"),
    };
  }

  /** Waits until every sink of the page's runs has everything: what a page shows must arrive. */
  async #finish(env: NodeJS.ProcessEnv): Promise<void> {
    await using client = await connect({ env });
    const ended = (await Array.fromAsync(client.listRuns())).filter(({ endedAtUs }) => endedAtUs > 0);
    const left = async () => {
      const reports = await Promise.all(ended.map(({ runId }) => client.sinkStatus(runId)));
      return reports
        .flatMap(({ sinks }) => sinks)
        .filter(({ state }) => state !== SinkState.SINK_STATE_DONE)
        .map(({ spec, lastError }) => `${spec}: ${lastError}`);
    };
    const nothing = async () => {
      const waiting = await left();
      if (waiting.length > 0) throw new Error(`Not delivered: ${waiting.join("; ")}`);
    };
    await vi.waitFor(nothing, { timeout: 20_000, interval: 50 });
  }

  async #stopDaemon(env: NodeJS.ProcessEnv): Promise<void> {
    const client = await connect({ env, start: false }).catch(() => undefined);
    await client?.shutdown();
    client?.close();
  }

  async close(): Promise<void> {
    this.#child.stdin?.end();
    await this.#ended;
  }
}

/** Whether a block is the daemon's config file. */
export function isSettings(code: string): boolean {
  return /^# .*pipekit-experiment\/config\.yaml$/m.test(code);
}

/** How a block is run; undefined for one that is only read. */
function kindOf(block: Block): "file" | "python" | "sh" | undefined {
  if (whyNotRun(block) !== "") return undefined;
  const { language, file } = block;
  if (file !== "") return "file";
  return language === "python" || language === "sh" ? language : undefined;
}
