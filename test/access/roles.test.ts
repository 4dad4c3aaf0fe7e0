import fc from "fast-check";
import { expect, test } from "vitest";
import {
  DEEDS,
  type Deed,
  grantOf,
  type Need,
  permits,
  ROLES,
  type RoleText,
} from "../../daemon/access/roles.ts";

const deeds: Deed[] = [
  ...["greet", "read runs", "write runs", "read models", "store models"],
  ...["create tags", "move tags", "pin models", "administer"],
] as Deed[];
const name = fc.constantFrom("lab-1", "lab-2", "prod", "default", "s3://b/m/", "");
const patterns = fc.array(fc.constantFrom("*", "lab-*", "prod", "default", "s3://*", "x"), {
  minLength: 1,
  maxLength: 3,
});
const owner = fc.constantFrom("me", "other", "");
const role: fc.Arbitrary<RoleText> = fc.oneof(
  fc.record(
    {
      role: fc.constantFrom("reader", "writer", "promoter"),
      runs: patterns,
      tags: patterns,
      registries: patterns,
      runs_of_others: fc.boolean(),
    },
    { requiredKeys: ["role"] },
  ),
  fc.constant({ role: "admin" } as const),
) as fc.Arbitrary<RoleText>;
const need: fc.Arbitrary<Need> = fc.record(
  { deed: fc.constantFrom(...deeds), run: fc.record({ name, owner }), tag: name, registry: name },
  { requiredKeys: ["deed"] },
) as fc.Arbitrary<Need>;

const allowed = (roles: readonly RoleText[], what: Need) => permits(roles.map(grantOf), "me", what);

test("a longer list of roles never takes away", () => {
  fc.assert(
    fc.property(fc.array(role, { maxLength: 4 }), role, need, fc.nat(4), (roles, more, what, at) => {
      const longer = [...roles.slice(0, at), more, ...roles.slice(at)];
      if (allowed(roles, what)) expect(allowed(longer, what)).toBe(true);
      expect(allowed(longer, what)).toBe(allowed(roles, what) || allowed([more], what));
    }),
    { numRuns: 3000 },
  );
});

test("no role permits what its table denies, whatever its patterns are", () => {
  fc.assert(
    fc.property(role, need, (one, what) => {
      if (one.role !== "admin" && !DEEDS[one.role].has(what.deed)) expect(allowed([one], what)).toBe(false);
      if (one.role === "admin") expect(allowed([one], what)).toBe(true);
    }),
    { numRuns: 3000 },
  );
});

test("asking for less is never denied where more is permitted", () => {
  fc.assert(
    fc.property(fc.array(role, { maxLength: 3 }), need, (roles, what) => {
      if (!allowed(roles, what)) return;
      for (const left of ["run", "tag", "registry"] as const) {
        const { [left]: _, ...less } = what;
        expect(allowed(roles, less)).toBe(true);
      }
    }),
    { numRuns: 3000 },
  );
});

test("no roles permit nothing, and admins do all", () => {
  for (const deed of deeds) {
    expect(allowed([], { deed })).toBe(false);
    expect(
      allowed([{ role: "admin" }], { deed, tag: "t", registry: "r", run: { name: "n", owner: "" } }),
    ).toBe(true);
  }
  expect(ROLES).toEqual(["reader", "writer", "promoter", "admin"]);
});

test("a name of one role and a deed of another make no permission", () => {
  const roles: RoleText[] = [
    { role: "promoter", tags: ["staging"], registries: ["default"] },
    { role: "reader", tags: ["*"], registries: ["*"] },
  ];
  expect(allowed(roles, { deed: "move tags", tag: "staging", registry: "default" })).toBe(true);
  expect(allowed(roles, { deed: "move tags", tag: "production", registry: "default" })).toBe(false);
  expect(allowed(roles, { deed: "move tags", tag: "staging", registry: "s3://b/" })).toBe(false);
});

test("a writer writes to its own runs, and to those of others only where its role says so", () => {
  const run = { name: "lab-1", owner: "other" };
  const writer: RoleText = { role: "writer", runs: ["lab-*"] };
  expect(allowed([writer], { deed: "write runs", run: { ...run, owner: "me" } })).toBe(true);
  expect(allowed([writer], { deed: "write runs", run })).toBe(false);
  expect(allowed([writer], { deed: "read runs", run })).toBe(true);
  expect(allowed([{ ...writer, runs_of_others: true }], { deed: "write runs", run })).toBe(true);
});
