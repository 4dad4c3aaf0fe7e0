/** A store counts when its weights' end has come: an upload that was broken off can look like one that is complete. */
import { join } from "node:path";
import { PipekitError, type StoreRequest } from "@pipekit/proto";
import { afterEach, beforeEach, expect, test } from "vitest";
import {
  inProcess,
  newModel,
  type RegistryFixture,
  registriesOn,
  serve,
} from "../contract/registry-harness.ts";

let fixture: RegistryFixture;
let served: Awaited<ReturnType<typeof serve>>;
beforeEach(async () => {
  fixture = await inProcess();
  served = await serve(registriesOn(fixture.root, fixture.staging), join(fixture.scratch, "r.sock"));
});
afterEach(async () => {
  served.client.close();
  served.server.forceShutdown();
  await fixture.close();
});

const chunk: StoreRequest = { part: { $case: "weightsChunk", value: Buffer.from("abc") } };
const end = (size: number): StoreRequest => ({ part: { $case: "weightsEnd", value: { size } } });

/** The hash of what was stored, or the failure. */
function store(parts: readonly StoreRequest[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const call = served.client.store((error, answer) =>
      error === null ? resolve(answer.model?.hash ?? "") : reject(PipekitError.fromServiceError(error)),
    );
    const { weights: _, ...model } = newModel();
    const header = {
      ...model,
      registry: "",
      hasWeights: true,
      weightsPath: "",
      weightsStaged: false,
      hashOnly: false,
    };
    for (const part of [{ part: { $case: "header", value: header } } as const, ...parts]) call.write(part);
    call.end();
  });
}

test.each([
  ["no end", [chunk]],
  ["no chunk and no end", []],
  ["an end that tells more", [chunk, end(6)]],
  ["an end that tells less", [chunk, chunk, end(3)]],
])("%s: nothing is stored", async (_, parts) => {
  await expect(store(parts)).rejects.toMatchObject({ code: "INVALID_ARGUMENT", field: "weights_end" });
  expect(
    (
      await fixture.registry.list(
        { metadataFilterJson: "", pageSize: 0, pageToken: "" },
        new AbortController().signal,
      )
    ).models,
  ).toEqual([]);
});

test("with its end it is stored, empty weights too", async () => {
  expect(await store([chunk, chunk, end(6)])).toMatch(/^[0-9a-f]{64}$/);
  expect(await store([end(0)])).toMatch(/^[0-9a-f]{64}$/);
});
