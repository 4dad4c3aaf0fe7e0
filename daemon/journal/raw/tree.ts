import type { PageFile } from "./pages.ts";
import { children, isWhole, recordsOf } from "./records.ts";

const ROOT = 1;
const SCHEMA = "sqlite_schema";

/** The trees of a database, as far as they can be followed. */
export interface Trees {
  /** Page to the table or index that it belongs to. What a damaged page hides has none. */
  readonly owners: ReadonlyMap<number, string>;
  /** Tables and indexes of which a page makes no sense. */
  readonly broken: ReadonlySet<string>;
}

/** Follows all trees from the schema. A damaged page hides what is below it, and the schema's page everything. */
export function treesOf(file: PageFile): Trees {
  const owners = new Map<number, string>();
  const broken = new Set<string>();
  const follow = (root: number, name: string): void => {
    const open = [root];
    for (let number = open.pop(); number !== undefined; number = open.pop()) {
      const page = owners.has(number) ? undefined : file.read(number);
      if (page === undefined || !isWhole(number, page)) broken.add(name);
      if (page === undefined) continue;
      owners.set(number, name);
      open.push(...children(number, page).reverse());
    }
  };
  follow(ROOT, SCHEMA);
  for (const number of [...owners.keys()]) {
    const page = file.read(number) ?? Buffer.alloc(file.pageSize);
    for (const { values } of recordsOf(file, number, page)) {
      const [, name, , root] = values;
      if (typeof name === "string" && typeof root === "number") follow(root, name);
    }
  }
  return { owners, broken };
}
