import { PipekitError } from "@pipekit/proto";
import { describe, expect, test, vi } from "vitest";
import { NamedRegistries } from "../../daemon/editor/named-registries.ts";
import { startFakeServer } from "./fake-server.ts";
import { FakeView, hashOf, model } from "./fake-view.ts";

const EVIL = "mlflow+https://evil.example/x?token=file:/home/me/.token";
const refusal = { code: "REGISTRY_UNAVAILABLE", mend: expect.stringContaining("pipekit.registries") };

function guard(answer: string | undefined, trusted: string[] = []) {
  const view = new FakeView();
  view.models_ = [model(hashOf("aa11"))];
  view.answers["pipekit/resolve"] = () => ({ hash: hashOf("aa11") });
  const ask = vi.fn(async (_message: string, _choices: readonly string[]) => answer);
  const registries = new NamedRegistries({ view, ask, trusted: () => trusted });
  return { view, ask, registries, guarded: registries.view };
}

const resolve = (registry: string) => ["pipekit/resolve", { registry, ref: "production" }] as const;

describe("a registry on a server that a file names", () => {
  test("is not told of to the daemon before the person has allowed it, however it is asked for", async () => {
    const { view, ask, guarded } = guard(undefined);
    const index = guarded.models(EVIL);
    const stop = index.onChange(() => {});
    expect([index.filled, index.size, index.tags(), index.find("", 9)]).toEqual([false, 0, [], []]);
    await expect(index.ready()).rejects.toMatchObject(refusal);
    await expect(index.refresh()).rejects.toMatchObject(refusal);
    await expect(guarded.ask(...resolve(EVIL))).rejects.toMatchObject(refusal);
    stop();
    expect(view.opened.size).toBe(0);
    expect(view.asked).toEqual([]);
    expect(ask).toHaveBeenCalledOnce();
    expect(ask.mock.calls[0]?.[0]).toContain(EVIL);
  });

  test("is looked in once it was allowed, and listened to", async () => {
    const { view, ask, guarded } = guard("Show models");
    const index = guarded.models(EVIL);
    const changed = vi.fn();
    const stop = index.onChange(changed);
    await index.ready();
    expect([index.filled, index.size]).toEqual([true, 1]);
    view.tell();
    expect(changed).toHaveBeenCalledOnce();
    stop();
    view.tell();
    expect(changed).toHaveBeenCalledOnce();
    expect(await guarded.ask(...resolve(EVIL))).toEqual({ hash: hashOf("aa11") });
    expect(ask).toHaveBeenCalledOnce();
  });

  test.each([
    ["", [], true],
    ["local:/srv/models", [], true],
    [EVIL, [EVIL], true],
    ["s3://bucket/models/", ["s3://bucket/"], true],
    ["s3://bucket/models/?endpoint=http://evil.example", ["s3://bucket/"], false],
    ["mlflow+https://corp.example.evil/x", ["mlflow+https://corp.example"], false],
    ["mlflow+https://corp.example/x", ["mlflow+https://corp.example/"], true],
    ["LOCAL:/srv", [], false],
  ])("%s, trusted %j: %s", async (registry, trusted, passes) => {
    const { ask, guarded } = guard(undefined, trusted);
    const asked = guarded.ask(...resolve(registry));
    if (passes) expect(await asked).toBeDefined();
    else await expect(asked).rejects.toThrow(PipekitError);
    expect(ask).toHaveBeenCalledTimes(passes ? 0 : 1);
  });

  test("hundreds of them make a handful of questions, one at a time, and no sign of the name turns a line", async () => {
    const { ask, guarded } = guard(undefined);
    let open = 0;
    ask.mockImplementation(async () => {
      open += 1;
      await new Promise(setImmediate);
      expect(open).toBe(1);
      open -= 1;
      return undefined;
    });
    const all = Array.from({ length: 300 }, (_, i) => guarded.ask(...resolve(`s3://b${i}\u202e\n/m/`)));
    await Promise.allSettled(all);
    expect(ask.mock.calls.length).toBeLessThanOrEqual(5);
    // biome-ignore lint/suspicious/noControlCharactersInRegex: they are what must not be there.
    expect(ask.mock.calls[0]?.[0]).not.toMatch(/[\u0000-\u001f\u202e]/);
  });

  test("a wait for the person ends with its request, and with the editor", async () => {
    const { ask, registries, guarded } = guard(undefined);
    ask.mockReturnValue(new Promise(() => {}));
    const gone = new AbortController();
    const first = guarded.ask(...resolve(EVIL), gone.signal);
    const second = guarded.models(EVIL).ready();
    gone.abort(new Error("cancelled"));
    await expect(first).rejects.toThrow("cancelled");
    registries.close();
    await expect(second).rejects.toThrow("closed");
  });
});

test("the language server gives its features the guarded view, and asks the person in the editor", async () => {
  using server = startFakeServer();
  const questions: string[] = [];
  server.client.onRequest("window/showMessageRequest", ({ message }: { message: string }) => {
    questions.push(message);
    return null;
  });
  await server.initialize();
  await expect(server.context.view.ask(...resolve(EVIL))).rejects.toMatchObject(refusal);
  expect(questions).toEqual([expect.stringContaining(EVIL)]);
});
