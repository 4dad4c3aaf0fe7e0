/** What the methods of the RegistryService ask for. */
import {
  type ListResponse,
  type ListTagsResponse,
  type LoadResponse,
  type Model,
  parseRef,
  RegistryServiceService,
  type StatResponse,
  type StoreHeader,
  type StoreRequest,
} from "@pipekit/proto";
import type { Deed } from "./roles.ts";
import { type Ask, forAll, guard, type Sight } from "./rules.ts";

const registry = RegistryServiceService;

/** A deed on a model: of one that is named by a tag, the tag counts, too. */
function onModel(deed: Deed, registry: string, ref: string, field = "ref"): Ask {
  const read = parseRef(ref);
  const isHash = read.kind === "hash" || read.kind === "prefix";
  return isHash ? onRegistry(deed, registry) : { deed, field, registry, tag: read.name };
}

function onRegistry(deed: Deed, registry: string): Ask {
  return { deed, field: "registry", registry };
}

/** What it takes to point a tag to a model. */
function tagging(registry: string, name: string, force: boolean, field: string): Ask {
  return { deed: force ? "move tags" : "create tags", field, registry, tag: name };
}

function storing(header: StoreHeader | undefined): Ask[] {
  if (header === undefined) return [];
  const { registry, name, force } = header;
  const store: Ask = { deed: "store models", field: "header.registry", registry };
  return name === "" ? [store] : [store, tagging(registry, name, force, "header.name")];
}

function headerOf(request: StoreRequest | undefined): StoreHeader | undefined {
  return request?.part?.$case === "header" ? request.part.value : undefined;
}

function tagsSeen<M extends Model | undefined>(model: M, sight: Sight): M {
  return model && { ...model, tags: model.tags.filter((name) => sight.tag(name)) };
}

guard(registry.store, "store models", (request) => storing(headerOf(request)));
guard(registry.storeWithProgress, "store models", ({ request }) => storing(headerOf(request)));
guard(
  registry.load,
  "read models",
  ({ registry, ref }) => [onModel("read models", registry, ref)],
  async (answer, sight) => {
    const { part } = answer as LoadResponse;
    if (part?.$case !== "header") return answer;
    return { part: { ...part, value: { ...part.value, model: tagsSeen(part.value.model, sight) } } };
  },
);
guard(
  registry.stat,
  "read models",
  ({ registry, ref }) => [onModel("read models", registry, ref)],
  async (answer, sight) => ({ model: tagsSeen((answer as StatResponse).model, sight) }),
);
guard(
  registry.list,
  "read models",
  ({ registry }) => [onRegistry("read models", registry)],
  async (answer, sight) => {
    const page = answer as ListResponse;
    return { ...page, models: page.models.map((model) => tagsSeen(model, sight)) };
  },
);
guard(
  registry.listTags,
  "read models",
  ({ registry }) => [onRegistry("read models", registry)],
  async (answer, sight) => {
    const page = answer as ListTagsResponse;
    return { ...page, tags: page.tags.filter(({ name }) => sight.tag(name)) };
  },
);
guard(registry.resolveTag, "read models", ({ registry, ref }) => [onModel("read models", registry, ref)]);
for (const method of [registry.tagHistory, registry.watchTag]) {
  guard<{ readonly registry: string; readonly name: string }>(method, "read models", ({ registry, name }) => [
    { deed: "read models", field: "name", registry, tag: name },
  ]);
}
guard(registry.diff, "read models", ({ registry, refA, refB }) => [
  onModel("read models", registry, refA, "ref_a"),
  onModel("read models", registry, refB, "ref_b"),
]);
guard(registry.describeRegistry, "read models", ({ registry }) => [onRegistry("read models", registry)]);
guard(registry.listPins, "read models", ({ registry }) => [onRegistry("read models", registry)]);
guard(registry.tag, "create tags", ({ registry, ref, name, force }) => [
  onModel("read models", registry, ref),
  tagging(registry, name, force, "name"),
]);
for (const method of [registry.rollbackTag, registry.deleteTag]) {
  guard<{ readonly registry: string; readonly name: string }>(method, "move tags", ({ registry, name }) => [
    { deed: "move tags", field: "name", registry, tag: name },
  ]);
}
for (const method of [registry.pin, registry.unpin]) {
  guard<{ readonly registry: string; readonly ref: string }>(method, "pin models", ({ registry, ref }) => [
    onModel("pin models", registry, ref),
  ]);
}
guard(registry.gc, "read models", ({ registry, apply }) => [
  apply ? { deed: "administer", field: "apply", registry } : onRegistry("read models", registry),
]);
forAll(registry, "administer", "verify", "copy", "export", "import");
