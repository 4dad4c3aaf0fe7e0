/** One model: what it is, where it comes from, and the tags that lead to it. */
import type { ModelDocument } from "@pipekit/proto/editor";
import { askPromotion } from "../dialogs/tag-moves.ts";
import { button, copyButton, element, fill, setText, userText } from "../dom.ts";
import { flatten } from "../flatten.ts";
import { counted, formatBytes, formatTime, shortHash } from "../format.ts";
import { placeLink } from "../links.ts";
import { failureNotice, waitingNotice } from "../notices.ts";
import { Paced } from "../paced.ts";
import type { Page, View, ViewMaker } from "../page.ts";
import { facts, folded, searchableTable } from "../tables.ts";
import { tagLinks } from "./models.ts";

export const modelView: ViewMaker<"model"> = (page, { ref, registry }, life): View => {
  const title = element("h1", { id: "title" }, `Model ${shortHash(ref)}`);
  const body = element("div", {}, waitingNotice("Reading the model"));
  let known = "";
  const look = new Paced(async () => {
    try {
      const model = await page.host.request("pipekit/model", { registry, ref }, life);
      setText(title, `Model ${shortHash(model.hash)}`);
      // What a person has unfolded or marked stays while nothing differs.
      const told = JSON.stringify(model);
      if (told !== known) fill(body, modelPart(page, registry, model));
      known = told;
    } catch (thrown) {
      if (!life.aborted && known === "")
        fill(
          body,
          failureNotice(thrown, () => look.soon()),
        );
    }
  }, life);
  page.on("pipekit/tagMoved", () => look.soon(), life);
  page.on("pipekit/daemonStatus", ({ state }) => state === "connected" && look.soon(), life);
  page.onRestart(() => look.soon(), life);
  look.soon();
  const root = element("section", { class: "view", "aria-labelledby": "title" }, title, body);
  return { title: title.textContent ?? "", root };
};

function modelPart(page: Page, registry: string, model: ModelDocument): HTMLElement {
  const { hash, weightsSha256, datasetHash, runId } = model;
  const promote = button("Point a tag to it …", () => askPromotion(page, registry, { ref: hash }), {
    disabled: page.daemon?.mayChange === false,
  });
  return element(
    "div",
    {},
    facts(
      ["Hash", element("span", {}, element("code", {}, hash), " ", copyButton(hash, "the model's hash"))],
      ["Operator", userText(model.operator)],
      ["Tags", model.tags.length > 0 && tagLinks(model.tags, registry)],
      ["Made", formatTime(model.createdAtUs)],
      ["By run", runId !== "" && placeLink({ view: "run", runId }, runId)],
      ["Weights", model.hasWeights ? `${formatBytes(model.weightsSize)}, ${model.weightsFormat}` : "none"],
      ["SHA-256 of weights", weightsSha256 !== "" && element("code", {}, weightsSha256)],
      ["Data set", datasetHash !== "" && element("code", {}, datasetHash)],
      ["Registry", registry !== "" && userText(registry)],
    ),
    element("div", { class: "bar" }, promote),
    documentPart("Training config", model.trainingConfig, true),
    documentPart("Operator state", model.operatorState, false),
    documentPart("Metadata", model.metadata, false),
  );
}

function documentPart(title: string, document: unknown, open: boolean): HTMLElement | undefined {
  const lines = flatten(document);
  if (lines.length === 0) return undefined;
  return folded(title, counted(lines.length, "entry", "entries"), searchableTable(title, lines), open);
}
