/** Metrics by what stands before the first `/` in their names. */

export interface MetricGroup {
  /** Empty for names without `/`. */
  readonly name: string;
  readonly keys: readonly string[];
}

/** What the daemon samples of the machine; looked at last. */
export const SYSTEM_GROUP = "system";

const BY_NUMBER = new Intl.Collator("en", { numeric: true });

/** Names without a group first, groups by name (`layer2` before `layer10`), the machine's at the end. */
export function groupMetrics(keys: Iterable<string>): MetricGroup[] {
  const groups = new Map<string, string[]>();
  for (const key of keys) {
    const cut = key.indexOf("/");
    const name = cut <= 0 ? "" : key.slice(0, cut);
    const group = groups.get(name);
    if (group === undefined) groups.set(name, [key]);
    else group.push(key);
  }
  return [...groups]
    .map(([name, inside]) => ({ name, keys: inside.sort(BY_NUMBER.compare) }))
    .sort((a, b) => rank(a) - rank(b) || BY_NUMBER.compare(a.name, b.name));
}

function rank({ name }: MetricGroup): number {
  if (name === "") return 0;
  return name === SYSTEM_GROUP ? 2 : 1;
}
