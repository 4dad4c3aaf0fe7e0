import { mlflowRegistry } from "@pipekit/adapters/mlflow";
import { SpecError } from "@pipekit/adapters/tracker";
import { describe, expect, test } from "vitest";

const parse = (spec: string) => mlflowRegistry.parse(spec);

describe("specs of MLflow registries", () => {
  test.each([
    ["mlflow://127.0.0.1:5000/models", "mlflow://127.0.0.1:5000/models"],
    ["mlflow+http://LOCALHOST:80/models/", "mlflow://localhost/models"],
    ["mlflow+https://h/my models?poll_ms=1000", "mlflow+https://h/my%20models"],
    ["mlflow+https://h/m?poll_ms=200", "mlflow+https://h/m?poll_ms=200"],
    [
      "mlflow+https://h/m?poll_ms=200&base=/x&token=env:T",
      "mlflow+https://h/m?base=/x&token=env:T&poll_ms=200",
    ],
  ])("%s has one spelling", (spec, canonical) => {
    expect(parse(spec)).toBe(canonical);
    expect(parse(canonical)).toBe(canonical);
  });

  test.each([
    ["mlflow://h", /names no registered model/],
    ["mlflow://h/a/b", /several segments/],
    ["mlflow://h/a%2Fb", /holds "\/"/],
    ["mlflow://h/a:b", /holds ":"/],
    ["mlflow://h/a'b", /holds "'"/],
    ["mlflow://h/..a", /not plain/],
    [`mlflow://h/${"m".repeat(251)}`, /longer than 250/],
    ["mlflow://h/m?poll_ms=5", /poll_ms/],
    ["mlflow://h/m?poll_ms=fast", /poll_ms/],
    ["mlflow://h/m?pol_ms=5", /unknown query key `pol_ms`/],
    ["mlflow://bob:hunter2@h/m", /credentials/],
    ["mlflow://h/m?token=hunter2", /not a reference/],
  ])("%s is refused", (spec, message) => {
    const refused = () => parse(spec);
    expect(refused).toThrow(SpecError);
    expect(refused).toThrow(message);
    expect(refused).not.toThrow(/hunter2/);
  });
});
