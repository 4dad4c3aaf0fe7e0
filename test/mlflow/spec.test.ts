import { mlflowTracker } from "@pipekit/adapters/mlflow";
import { SpecError } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";

const parse = (spec: string) => mlflowTracker.parse(spec);

function refusal(spec: string): SpecError {
  try {
    parse(spec);
  } catch (error) {
    if (error instanceof SpecError) return error;
    throw error;
  }
  throw new Error(`${spec} was taken`);
}

describe("MLflow specs", () => {
  test.each([
    ["mlflow://127.0.0.1:5000/digits", "mlflow://127.0.0.1:5000/digits"],
    ["mlflow+http://LOCALHOST:80/digits/", "mlflow://localhost/digits"],
    ["MLFLOW+HTTPS://ml.example.com:443/my exp", "mlflow+https://ml.example.com/my%20exp"],
    ["mlflow://[::1]:5000/a%2Fb%C3%A9", "mlflow://[::1]:5000/a%2Fb%C3%A9"],
    ["mlflow://h/x?base=/team/ml/", "mlflow://h/x?base=/team/ml"],
    [
      "mlflow+https://h/x?password=env:P&username=file:/run/u ser&base=",
      "mlflow+https://h/x?username=file:/run/u%20ser&password=env:P",
    ],
    ["mlflow+https://h/x?token=env:TOKEN", "mlflow+https://h/x?token=env:TOKEN"],
  ])("%s has one spelling", (spec, canonical) => {
    expect(parse(spec)).toBe(canonical);
    expect(parse(canonical)).toBe(canonical);
  });

  test.each([
    ["mlflow://", /no host/],
    ["mlflow:///digits", /no host/],
    ["mlflow://?token=env:A", /no host/],
    ["mlflow://127.0.0.1:5000", /no experiment/],
    ["mlflow://127.0.0.1:5000/", /no experiment/],
    ["mlflow://127.0.0.1:5000/%20", /no experiment/],
    ["mlflow://127.0.0.1:99999/x", /host or port/],
    ["mlflow://ho st/x", /host or port/],
    ["mlflow://h/a/b", /several segments/],
    ["mlflow://h/%E0%A4", /percent-encoded/],
    ["mlflow://h/x#y", /#/],
    [`mlflow://h/${"e".repeat(501)}`, /longer than 500/],
    ["mlflow://h/x?bass=/p", /unknown query key `bass`/],
    ["mlflow://h/x?base=/a&base=/b", /twice/],
    ["mlflow://h/x?base=/a/../b", /plain path/],
    ["mlflow://h/x?username=env:A", /no `password`/],
    ["mlflow://h/x?token=env:A&username=env:A&password=env:B", /both/],
    ["mlruns/x", /starts with mlflow/],
  ])("%s is refused with a mend that is right", (spec, message) => {
    const error = refusal(spec);
    expect(error.message).toMatch(message);
    const shown = /`(mlflow[^`]*)`/.exec(error.mend)?.[1];
    if (shown !== undefined) expect(() => parse(shown)).not.toThrow();
    expect(error.mend).not.toBe("");
  });

  test.each([
    "mlflow://bob:hunter2@h/x",
    "mlflow://hunter2@h/x",
    "mlflow://h/x?token=hunter2",
    "mlflow://h/x?username=env:U&password=hunter2",
    "mlflow://h/x?hunter2=1",
    "mlflow://h/x?token=env:hunter2-x",
    "mlflow://h/x?token=file:hunter2",
  ])("%s is refused without a word of the secret", (spec) => {
    const error = refusal(spec);
    expect(`${error.message} ${error.mend} ${error.stack}`).not.toContain("hunter2");
  });

  test("sinks share a throttle by server and credential, whatever the experiment", () => {
    const key = (spec: string) => mlflowTracker.throttleKey(parse(spec));
    expect(key("mlflow://h/a")).toBe(key("mlflow+http://h:80/b"));
    expect(key("mlflow://h/a")).not.toBe(key("mlflow+https://h/a"));
    expect(key("mlflow://h/a")).not.toBe(key("mlflow://h/a?base=/p"));
    expect(key("mlflow://h/a?token=env:A")).not.toBe(key("mlflow://h/a?token=env:B"));
  });
});
