import { PipekitError } from "@pipekit/proto";
import { describe, expect, test } from "vitest";
import { hashOf, model, move, run } from "./fake-view.ts";
import { type Bench, bench, never } from "./features-support.ts";

const A = hashOf("3f2a91bc");
const B = hashOf("1b2c3d4e");

function known(more = {}): Bench {
  const made = bench({}, more);
  made.view.models_ = [model(A), model(B, { operator: "your.Class" })];
  made.view.tags_ = [move("production", A, { previousHash: B }), move("best", B, { seq: 2 })];
  made.view.answers["pipekit/promote"] = ({ tag }) => ({ move: move(tag, B, { seq: 8 }) });
  made.view.answers["pipekit/rollback"] = ({ tag }) => ({ move: move(tag, B, { seq: 8 }) });
  made.view.answers["pipekit/tagHistory"] = () => ({
    moves: [
      move("production", A, { previousHash: B }),
      move("production", "", { seq: 6 }),
      move("production", A, { seq: 5 }),
      move("production", B, { seq: 4 }),
    ],
    nextPageToken: "",
  });
  return made;
}

const executed = ({ features }: Bench, command: string, ...args: unknown[]) =>
  features.execute(command, args, never);
const changes = ({ view }: Bench) => view.asked.filter(({ method }) => /promote|rollback/.test(method));

describe("promote", () => {
  test("asks first, and moves from what was shown", async () => {
    const made = known();
    made.chosen.push("Promote");
    await executed(made, "pipekit.promote", { ref: "best", tag: "production", reason: "fold 3" });
    expect(made.questions).toEqual([
      {
        message:
          "Move production from 3f2a91bc my.Class (production@7 by ada, 2 d ago) to 1b2c3d4e your.Class?",
        choices: ["Promote", "Cancel"],
      },
    ]);
    expect(changes(made)).toEqual([
      {
        method: "pipekit/promote",
        params: { registry: "", ref: B, tag: "production", expectedHash: A, reason: "fold 3" },
      },
    ]);
    expect(made.told).toEqual(["info: production leads to 1b2c3d4e your.Class since move 8."]);
  });

  test.each([["Cancel"], [undefined]])("changes nothing when the answer is %s", async (answer) => {
    const made = known();
    if (answer !== undefined) made.chosen.push(answer);
    expect(await executed(made, "pipekit.promote", { ref: "best", tag: "production" })).toBeNull();
    expect(changes(made)).toEqual([]);
    expect(made.questions).toHaveLength(1);
  });

  test("a new tag must not exist by then", async () => {
    const made = known();
    made.chosen.push("Promote");
    await executed(made, "pipekit.promote", { ref: "best", tag: "fresh", registry: "s3://b" });
    expect(made.questions[0]?.message).toBe("Point the new tag fresh in s3://b to 1b2c3d4e your.Class?");
    expect(changes(made)[0]?.params).toMatchObject({ expectedHash: "" });
  });

  test("a lost race is told in plain words, with what the tag leads to now", async () => {
    const made = known();
    made.chosen.push("Promote");
    made.view.answers["pipekit/promote"] = () => {
      made.view.tags_ = [move("production", hashOf("9999aaaa"), { seq: 8, actor: "bob" })];
      throw new PipekitError("TAG_CONFLICT", "It moved.");
    };
    expect(await executed(made, "pipekit.promote", { ref: "best", tag: "production" })).toBeNull();
    expect(made.told).toEqual([
      "warning: production was moved meanwhile, so nothing was changed. It leads to 9999aaaa now (production@8 by bob, 2 d ago).",
    ]);
  });

  test("a model that the tag leads to already is left alone", async () => {
    const made = known();
    await executed(made, "pipekit.promote", { ref: "production", tag: "production" });
    expect(made.told).toEqual(["info: production leads to 3f2a91bc my.Class already."]);
    expect(made.questions).toEqual([]);
  });

  test("without a tag it asks which one; another one only where the editor can ask for a name", async () => {
    const plain = known();
    plain.chosen.push("production", "Promote");
    await executed(plain, "pipekit.promote", { ref: "best" });
    expect(plain.questions[0]?.choices).toEqual(["production"]);
    expect(changes(plain)[0]?.params).toMatchObject({ tag: "production" });

    const asking = known({ askText: async () => " fresh " });
    asking.chosen.push("Another tag…", "Promote");
    await executed(asking, "pipekit.promote", { ref: "best" });
    expect(asking.questions[0]?.choices).toEqual(["production", "Another tag…"]);
    expect(changes(asking)[0]?.params).toMatchObject({ tag: "fresh" });
  });

  test("failures are told with their mend", async () => {
    const made = known({ askText: async () => "a b" });
    made.chosen.push("Another tag…");
    await executed(made, "pipekit.promote", { ref: "best" });
    expect(made.told[0]).toMatch(/^error: The tag name "a b" holds " "\. Use 1 to 128/);
    made.view.answers["pipekit/resolve"] = () => {
      throw new PipekitError("DAEMON_UNAVAILABLE", "No daemon.", { mend: "Start it." });
    };
    await executed(made, "pipekit.promote", { ref: "best", tag: "production" });
    expect(made.told[1]).toBe("error: No daemon. Start it.");
    expect(changes(made)).toEqual([]);
  });
});

describe("roll back", () => {
  test("asks first, with the model that it led to before", async () => {
    const made = known();
    made.chosen.push("Roll back");
    await executed(made, "pipekit.rollback", { tag: "production" });
    expect(made.questions[0]).toEqual({
      message:
        "Move production from 3f2a91bc my.Class (production@7 by ada, 2 d ago) to 1b2c3d4e your.Class?",
      choices: ["Roll back", "Cancel"],
    });
    expect(changes(made)[0]?.params).toEqual({
      registry: "",
      tag: "production",
      expectedHash: A,
      reason: "",
    });
  });

  test("a tag that led nowhere else before is told", async () => {
    const made = known();
    made.view.answers["pipekit/tagHistory"] = () => ({ moves: [move("best", A)], nextPageToken: "" });
    await executed(made, "pipekit.rollback", { tag: "best" });
    expect(made.told[0]).toMatch(/^error: The tag best led to no other model before\./);
    expect(made.questions).toEqual([]);
  });
});

test("showRun and showModel tell in words, for clients without pages", async () => {
  const made = known();
  made.view.runs_ = [run("01JDPA9T8ZQ4W6Y2V0X3C5B7N1")];
  await executed(made, "pipekit.showRun", { runId: "01JDPA9T8ZQ4W6Y2V0X3C5B7N1" });
  await executed(made, "pipekit.showModel", { ref: "production" });
  expect(made.told[0]).toContain("State: completed");
  expect(made.told[1]).toContain("production is 3f2a91bc my.Class");
  expect(made.features.commands).toEqual(["pipekit.promote", "pipekit.rollback"]);
});

test.each([
  ["an unknown command", "pipekit.destroy", [{}]],
  ["no argument", "pipekit.promote", []],
  ["two arguments", "pipekit.rollback", [{ tag: "a" }, {}]],
  ["a wrong type", "pipekit.rollback", [{ tag: 7 }]],
  ["an unknown key", "pipekit.rollback", [{ tag: "a", force: true }]],
  ["null", "pipekit.showRun", [null]],
])("wrong calls are refused: %s", async (_, command, args) => {
  const made = known();
  await expect(made.features.execute(command, args, never)).rejects.toMatchObject({
    code: "INVALID_ARGUMENT",
  });
  expect(made.view.asked).toEqual([]);
});
