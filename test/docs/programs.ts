/**
 * Which programs a block of shell may run in a test. A block is looked at before anything of it runs: one that sets up,
 * installs or deploys would do so to this very checkout.
 */

import type { Block } from "./markdown.ts";

/** Programs that only touch the page's own folder and daemon. */
const RUN_HERE = new Set([
  ...["pkx", "python", "node", "git", "dvc", "curl", "grpcurl"],
  ...[
    "cat",
    "cd",
    "echo",
    "export",
    "unset",
    "mkdir",
    "mktemp",
    "ls",
    "cp",
    "mv",
    "rm",
    "test",
    "sed",
    "awk",
    "grep",
    "head",
    "tar",
  ],
  ...[
    "tail",
    "jq",
    "true",
    "sleep",
    "wait",
    "kill",
    "umask",
    "chmod",
    "openssl",
    "sha256sum",
    "cut",
    "seq",
    "printf",
    "sort",
    "wc",
  ],
]);

/** Programs of which no block is run, and why. What they say of pkx is read all the same, by commands.test.ts. */
const NOT_RUN: Readonly<Record<string, string>> = {
  npm: "installs, or sets this checkout up",
  npx: "installs",
  pip: "installs",
  pipx: "installs",
  uv: "installs",
  code: "drives an editor",
  docker: "needs a container engine",
  podman: "needs a container engine",
  helm: "needs a cluster",
  kubectl: "needs a cluster",
  systemctl: "needs systemd",
  journalctl: "needs systemd",
  loginctl: "needs systemd",
  ssh: "needs another host",
  scp: "needs another host",
  rsync: "needs another host",
  sbatch: "needs a cluster",
  srun: "needs a cluster",
  metaflow: "needs its service",
};

/** Words of bash that a command may stand behind. */
const KEYWORDS = new Set([
  "if",
  "then",
  "else",
  "elif",
  "fi",
  "for",
  "do",
  "done",
  "while",
  "until",
  "!",
  "{",
  "}",
  "time",
  "exec",
  "in",
]);

/** The programs that a script names, as far as its text shows it. */
export function programsOf(script: string): string[] {
  const text = script
    .replace(/\\\n/g, " ")
    .replace(/<<-?\s*['"]?(\w+)['"]?([^\n]*)\n[\s\S]*?^\s*\1$/gm, "$2")
    // In double quotes a $(...) still runs.
    .replace(/'[^']*'/g, "Q")
    .replace(
      /"((?:[^"\\]|\\.)*)"/g,
      (_, inner: string) => `Q${[...inner.matchAll(/\$\([^)]*\)/g)].join(" ")}`,
    )
    .replace(/(^|\s)#.*$/gm, "$1");
  const commands = text.split(/\n|\|\|?|&&?(?!\d)|;|\$\(|\(|\)|`/);
  return commands.flatMap((command) => {
    const words = command.trim().split(/\s+/);
    const first = words.find(
      (word) => word !== "" && !KEYWORDS.has(word) && !/^\w+=/.test(word) && !/^[<>\d]/.test(word),
    );
    return first === undefined || /^[Q$]/.test(first) || /^for\b/.test(command.trim()) ? [] : [first];
  });
}

/** Why a block is not run: its mark in the page, or a program in it; empty when it runs. Throws for a program that nobody has looked at. */
export function whyNotRun({ page, line, language, code, notRun }: Block): string {
  if (notRun !== "" || language !== "sh") return notRun;
  const programs = programsOf(code);
  const refused = programs.find((program) => program in NOT_RUN);
  if (refused !== undefined) return `${refused} ${NOT_RUN[refused]}`;
  const unknown = programs.filter((program) => !RUN_HERE.has(program));
  if (unknown.length === 0) return "";
  throw new Error(
    `${page}:${line} runs ${unknown.join(", ")}, which test/docs/programs.ts does not know. Put "<!-- not run: REASON -->" before the block, or add the program to one of its lists.`,
  );
}
