import { SpecError } from "@pipekit/adapters/tracker";
import { wandbTracker } from "@pipekit/adapters/wandb";
import { describe, expect, test } from "vitest";

describe("a W&B spec", () => {
  test.each([
    ["wandb://team/proj", "wandb://team/proj"],
    [" WANDB://Team/Proj/ ", "wandb://Team/Proj"],
    ["wandb:///proj", "wandb:///proj"],
    ["wandb+https://api.wandb.ai/team/proj", "wandb://team/proj"],
    ["wandb+https://API.wandb.ai:443/proj", "wandb:///proj"],
    ["wandb+http://Host:8080/team/my%20proj", "wandb+http://host:8080/team/my%20proj"],
    ["wandb+http://host:80/proj", "wandb+http://host/proj"],
    ["wandb+http://host//proj", "wandb+http://host/proj"],
    ["wandb+http://[::1]:9/t/p?base=/w/&key=env:K", "wandb+http://[::1]:9/t/p?base=/w&key=env:K"],
    ["wandb://t/p?key=file:/a%20b/key", "wandb://t/p?key=file:/a%20b/key"],
    // As the Python client writes them.
    ["wandb+https://h/e/p?base=%2Fw", "wandb+https://h/e/p?base=/w"],
    ["wandb+offline:///d?project=p&entity=%C3%A9", "wandb+offline:///d?project=p&entity=%C3%A9"],
    ["wandb+offline:///data/runs/?project=p", "wandb+offline:///data/runs?project=p"],
    ["wandb+offline:///data//r%20x?entity=e&project=p", "wandb+offline:///data/r%20x?project=p&entity=e"],
  ])("%s is %s", (spec, canonical) => {
    expect(wandbTracker.parse(spec)).toBe(canonical);
    expect(wandbTracker.parse(canonical)).toBe(canonical);
  });

  test.each([
    ["wandb:", /starts with wandb/],
    ["wandb://proj", /not an entity and a project/],
    ["wandb://a/b/c", /not an entity and a project/],
    ["wandb://team/", /not an entity/],
    ["wandb:////", /names no project|not an entity/],
    ["wandb://team/a%2Fb", /does not take/],
    ["wandb://team/%ff", /UTF-8/],
    [`wandb://team/${"p".repeat(129)}`, /longer than 128/],
    ["wandb://team/p#x", /`#`/],
    ["wandb://team/p?key=0123456789012345678901234567890123456789", /not a reference/],
    ["wandb://team/p?key=env:A&key=env:B", /twice/],
    ["wandb://team/p?token=env:A", /unknown query key `token`/],
    ["wandb://team/p?base=/x", /unknown query key `base`/],
    ["wandb+http://user:hunter2@host/t/p", /carries credentials/],
    ["wandb+http:///t/p", /host or port/],
    ["wandb+http://host:99999/t/p", /host or port/],
    ["wandb+http://host/t/p?base=/a/../b", /not a plain path/],
    ["wandb+offline://data/runs?project=p", /not an absolute path/],
    ["wandb+offline:///data/../etc?project=p", /has a `\.\.` in it/],
    ["wandb+offline:///data", /names no project/],
  ])("%s is refused, and no secret repeated", (spec, message) => {
    const parse = () => wandbTracker.parse(spec);
    expect(parse).toThrow(SpecError);
    expect(parse).toThrow(message);
    expect(parse).not.toThrow(/hunter2|0123456789/);
  });

  test("runs of one server and key share a throttle, those of one folder too", () => {
    const key = (spec: string) => wandbTracker.throttleKey(wandbTracker.parse(spec));
    expect(key("wandb://a/b")).toBe(key("wandb://c/d"));
    expect(key("wandb://a/b")).not.toBe(key("wandb://a/b?key=env:K"));
    expect(key("wandb://a/b")).not.toBe(key("wandb+http://h/a/b"));
    expect(key("wandb+offline:///d?project=a")).toBe(key("wandb+offline:///d?project=b"));
  });
});
