import type { Page, View } from "../page.ts";
import type { Route } from "../router.ts";
import { compareView } from "./compare.ts";
import { deadLettersView } from "./dead-letters.ts";
import { modelView } from "./model.ts";
import { modelsView } from "./models.ts";
import { runView } from "./run.ts";
import { runsView } from "./runs.ts";
import { tagView } from "./tag.ts";

/** Opens the view of a place; it lives until the signal aborts. */
export function openView(page: Page, route: Route, life: AbortSignal): View {
  switch (route.view) {
    case "runs":
      return runsView(page, route, life);
    case "run":
      return runView(page, route, life);
    case "compare":
      return compareView(page, route, life);
    case "models":
      return modelsView(page, route, life);
    case "model":
      return modelView(page, route, life);
    case "tag":
      return tagView(page, route, life);
    case "dead-letters":
      return deadLettersView(page, route, life);
  }
}
