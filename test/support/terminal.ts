import { runCli, type Terminal } from "../../daemon/cli/index.ts";

/** What a command wrote, and its exit code. */
export interface CliResult {
  readonly code: number;
  readonly out: string;
  readonly err: string;
}

/** Settings of a terminal under test. */
export interface CliOptions {
  readonly env?: Terminal["env"];
  readonly columns?: number;
  readonly rows?: number;
  readonly onKey?: NonNullable<Terminal["onKey"]>;
  readonly isTerminal?: boolean;
  readonly signal?: AbortSignal;
  /** Sees standard output as it is written. */
  readonly onOut?: (text: string) => void;
}

/** Runs `pkx` in this process. */
export async function pkx(args: readonly string[], options: CliOptions = {}): Promise<CliResult> {
  let out = "";
  let err = "";
  const code = await runCli(args, {
    env: options.env ?? {},
    columns: options.columns ?? 80,
    rows: options.rows ?? 40,
    ...(options.onKey && { onKey: options.onKey }),
    isTerminal: options.isTerminal ?? false,
    signal: options.signal ?? new AbortController().signal,
    out: (text) => {
      out += text;
      options.onOut?.(text);
    },
    err: (text) => {
      err += text;
    },
  });
  return { code, out, err };
}
