/** Contract: artifacts, and uploads that fail. */

import { createHash } from "node:crypto";
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import type { SinkFile, SinkRecord } from "@pipekit/adapters/tracker";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { never } from "./tracker-driver.ts";
import { HTTP_FAULTS } from "./tracker-harness.ts";
import { pointsFrom } from "./tracker-records.ts";
import { faultsOf, type Suite } from "./tracker-suite.ts";

const WEIGHTS = "weights.bin";
const DEEP = "deep/er/empty.txt";
const ODD = "t\u00eate \u00e0 t\u00eate.txt";

/** Faults after which the tool must get the file when it is sent again. */
const PASSING = HTTP_FAULTS.filter(
  (fault) => !["hang", "refusal", "tooLarge", "halfAccepted"].includes(fault),
);

export function describeArtifacts(suite: Suite): void {
  describe("an artifact", () => {
    let folder: string;
    beforeAll(() => {
      folder = mkdtempSync(join(tmpdir(), "pkx-contract-"));
    });
    afterAll(() => rmSync(folder, { recursive: true, force: true }));

    const sinkFile = (path: string, text: string): SinkFile => {
      const localPath = join(folder, `f/${path === "" ? "alone" : path}`);
      mkdirSync(dirname(localPath), { recursive: true });
      writeFileSync(localPath, text);
      const sha256 = createHash("sha256").update(text).digest("hex");
      return { path, localPath, size: Buffer.byteLength(text), sha256 };
    };

    test("is a file, an empty file, a folder or an address", async () => {
      const driver = await suite.open();
      const alone = sinkFile("", "alone");
      const inFolder = [sinkFile(DEEP, ""), sinkFile(ODD, "x"), sinkFile(WEIGHTS, "w".repeat(3000))];
      const batch: SinkRecord[] = [
        { kind: "artifact", name: "report.txt", files: [alone], uri: "" },
        { kind: "artifact", name: "model", files: inFolder, uri: "" },
        { kind: "artifact", name: "data", files: [], uri: "s3://bucket/data?version=3" },
      ];
      const { memo } = driver;
      await driver.deliver(batch);
      // The daemon died before it knew of them.
      await driver.restart(memo);
      await driver.deliver(batch.slice(0, 1));
      await driver.deliver(batch.slice(1));
      expect(driver.refused).toEqual([]);
      const shown = await suite.harness.artifacts?.(driver.run.runId);
      if (shown !== undefined) {
        expect(shown).toEqual({
          "report.txt": "alone",
          [`model/${WEIGHTS}`]: "w".repeat(3000),
          [`model/${DEEP}`]: "",
          [`model/${ODD}`]: "x",
          data: "s3://bucket/data?version=3",
        });
      }
      await driver.deliver(pointsFrom(0, 3));
      await driver.expectShown(pointsFrom(0, 3));
    });

    test("whose file is gone or has changed is refused, and what follows is taken", async () => {
      const driver = await suite.open();
      const whole = sinkFile("model.bin", "some bytes");
      const lost = [
        { ...whole, localPath: join(folder, "gone") },
        { ...whole, size: 3 },
      ].map((file): SinkRecord => {
        return { kind: "artifact", name: `lost-${file.size}`, files: [file], uri: "" };
      });
      const batch = [...lost, ...pointsFrom(0, 3)];
      const result = await driver.adapter.send(batch, never);
      expect(result).toMatchObject({ status: "permanent", rejected: [0, 1] });
      driver.settle(batch, result);
      await driver.expectShown(pointsFrom(0, 3));
    });

    test("whose upload fails is uploaded again", async (context) => {
      const { harness } = suite;
      context.skip(harness.failNextUpload === undefined, "the tool takes no files");
      const faults = PASSING.filter((fault) => faultsOf(harness).includes(fault));
      const driver = await suite.open();
      // Large enough for the server to be asked first, small enough to be quick.
      const textOf = (fault: string) => `${fault} `.repeat(120_000);
      for (const [index, fault] of faults.entries()) {
        const file = { ...sinkFile(fault, textOf(fault)), path: "" };
        const batch: SinkRecord[] = [
          ...pointsFrom(index * 6, 3),
          { kind: "artifact", name: fault, files: [file], uri: "" },
          ...pointsFrom(index * 6 + 3, 3),
        ];
        harness.failNextUpload?.(fault);
        const result = await driver.adapter.send(batch, never);
        expect(result.status, `${fault}: ${JSON.stringify(result)}`).not.toBe("permanent");
        harness.heal();
        await driver.deliver(driver.settle(batch, result));
      }
      await driver.expectShown(pointsFrom(0, faults.length * 6));
      expect(driver.refused).toEqual([]);
      const shown = await harness.artifacts?.(driver.run.runId);
      for (const fault of shown === undefined ? [] : faults) {
        expect(shown?.[fault] === textOf(fault), `the file after ${fault}`).toBe(true);
      }
      expect(harness.foreign?.() ?? []).toEqual([]);
    });

    test("whose upload is too large for the tool is refused, and what is around it is taken", async (context) => {
      const { harness } = suite;
      context.skip(harness.failNextUpload === undefined, "the tool takes no files");
      const driver = await suite.open();
      const file = { ...sinkFile("big.bin", "b".repeat(2000)), path: "" };
      const batch: SinkRecord[] = [
        ...pointsFrom(0, 3),
        { kind: "artifact", name: "big.bin", files: [file], uri: "" },
        ...pointsFrom(3, 3),
      ];
      harness.failNextUpload?.("tooLarge");
      const result = await driver.adapter.send(batch, never);
      expect(result).toMatchObject({
        status: "permanent",
        rejected: [3],
        reason: expect.stringContaining("413"),
      });
      driver.settle(batch, result);
      await driver.expectShown(pointsFrom(0, 6));
    });
  });
}
