/** Data sets against the real `dvc`: add, status, checkout, push to S3 and pull from there, one large file and many small ones. */
import { execFileSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { ROOT } from "../e2e/demo/processes.ts";
import { type Figure, median } from "./report.ts";
import { seconds, writeWeights } from "./weights.ts";

const ROUNDS = 3;
const LARGE_BYTES = 512 * 2 ** 20;
const SMALL_FILES = 4000;
const SMALL_BYTES = 8192;

interface Place {
  readonly home: string;
  readonly env: NodeJS.ProcessEnv;
}

interface Shape {
  readonly name: string;
  write(path: string): void;
}

const SHAPES: readonly Shape[] = [
  { name: `one file of ${LARGE_BYTES / 2 ** 20} MiB`, write: (path) => writeWeights(path, LARGE_BYTES) },
  {
    name: `${SMALL_FILES} files of ${SMALL_BYTES / 1024} KiB`,
    write: (path) => {
      mkdirSync(path);
      for (let i = 0; i < SMALL_FILES; i++) writeFileSync(join(path, `${i}.bin`), randomBytes(SMALL_BYTES));
    },
  },
];

/** Figures of both; each round has data of its own, so that nobody finds anything done. `bucket` is one that exists. */
export async function datasets(place: Place, endpoint: string, bucket: string): Promise<Figure[]> {
  const client = await connect({ env: place.env });
  try {
    const figures: Figure[] = [];
    for (const shape of SHAPES) figures.push(...(await compared(place, client, shape, { endpoint, bucket })));
    return figures;
  } finally {
    client.close();
  }
}

async function compared(
  { home, env }: Place,
  client: Client,
  shape: Shape,
  { endpoint, bucket }: { readonly endpoint: string; readonly bucket: string },
): Promise<Figure[]> {
  const ours = new Map<string, number[]>();
  const theirs = new Map<string, number[]>();
  for (let round = 0; round < ROUNDS; round++) {
    for (const [who, times] of round % 2 === 0
      ? ([
          ["ours", ours],
          ["dvc", theirs],
        ] as const)
      : ([
          ["dvc", theirs],
          ["ours", ours],
        ] as const)) {
      const repo = mkdtempSync(join(home, `${who}-`));
      // Each round is DVC's first: its notes of files that it has hashed lie with the repository.
      const own = {
        ...env,
        HOME: repo,
        DVC_NO_ANALYTICS: "1",
        DVC_SITE_CACHE_DIR: join(repo, ".site-cache"),
      };
      const dvc = (...args: string[]) => {
        execFileSync(join(ROOT, ".venv/bin/dvc"), [...args, "-q"], { cwd: repo, env: own });
      };
      dvc("init", "--no-scm");
      dvc("remote", "add", "-d", "s3", `s3://${bucket}/${repo.split("/").at(-1)}`);
      dvc("remote", "modify", "s3", "endpointurl", endpoint);
      const calls = who === "ours" ? ourCalls(client, repo) : theirCalls(dvc);
      const data = join(repo, "data");
      shape.write(data);
      execFileSync("sync");
      const clock = async (name: keyof Calls) => {
        times.set(name, [...(times.get(name) ?? []), await seconds(() => calls[name]())]);
      };
      await clock("add");
      await clock("status");
      rmSync(data, { recursive: true });
      await clock("checkout");
      await clock("push");
      rmSync(data, { recursive: true });
      rmSync(join(repo, ".dvc/cache"), { recursive: true });
      await clock("pull");
      rmSync(repo, { recursive: true });
    }
  }
  return [...ours].map(([name, times]) => {
    const [mine, peer] = [median(times), median(theirs.get(name) ?? [])];
    return {
      name: `data set, ${name}: ${shape.name}`,
      ours: `${mine.toFixed(2)} s`,
      peer: `dvc, its start included, ${peer.toFixed(2)} s`,
      ratio: `${(mine / peer).toFixed(2)}x`,
      goal: "<= 1x",
      met: mine <= peer,
    };
  });
}

interface Calls {
  add(): unknown;
  status(): unknown;
  checkout(): unknown;
  push(): unknown;
  pull(): unknown;
}

function ourCalls(client: Client, repo: string): Calls {
  const sets = client.datasets(repo);
  return {
    add: () => sets.add("data"),
    status: () => sets.status(),
    checkout: () => sets.checkout(),
    push: () => sets.push(),
    pull: () => sets.pull(),
  };
}

function theirCalls(dvc: (...args: string[]) => void): Calls {
  return {
    add: () => dvc("add", "data"),
    status: () => dvc("status"),
    checkout: () => dvc("checkout"),
    push: () => dvc("push"),
    pull: () => dvc("pull"),
  };
}
