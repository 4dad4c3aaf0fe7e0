import type { Run, RunMember } from "@pipekit/experiment";
import { moment } from "../format.ts";
import { memberState } from "./shapes.ts";
import { plain, table } from "./terminal.ts";

/** So many are shown; of a large group those that did not end well come first. */
const MOST = 32;

/** The members of a group's run, as lines; none for another run. */
export function memberTable({ group }: Run): string[] {
  if (group === undefined) return [];
  const { members, worldSize } = group;
  const ranks = new Set(members.map(({ rank }) => rank)).size;
  const known = worldSize === 0 ? `${ranks} ranks` : `${ranks} of ${worldSize} ranks are known here`;
  const shown = [...members].sort((a, b) => concern(b) - concern(a)).slice(0, MOST);
  const rows = shown.map((member) => [
    String(member.rank),
    memberState(member),
    plain(member.host),
    member.pid === 0 ? "" : String(member.pid),
    moment(member.startedAtUs),
    member.seenAtUs === 0 ? "" : moment(member.seenAtUs),
    plain(member.reason),
  ]);
  const columns = [
    { title: "RANK", right: true },
    ...["STATE", "HOST", "PID", "STARTED", "SEEN", "REASON"].map(titled),
  ];
  const more = members.length - shown.length;
  return [
    `  ${plain(group.group)}: ${known}`,
    ...(rows.length === 0 ? [] : table(columns, rows).map((line) => `  ${line}`)),
    ...(more > 0 ? [`  and ${more} more`] : []),
  ];
}

function concern(member: RunMember): number {
  return ["completed", "running", "failed"].indexOf(memberState(member));
}

function titled(title: string): { readonly title: string } {
  return { title };
}
