/** The language server and the page, at the sizes that the goals name. */
import { join } from "node:path";
import { browserMissing } from "../../support/browser.ts";
import type { Figure } from "../report.ts";
import { pageFigures } from "./page.ts";
import { editorPlace } from "./place.ts";
import { serverFigures } from "./server.ts";

/** Figures of the editor part, with daemons of its own below `home`. */
export async function editor(home: string): Promise<Figure[]> {
  const figures: Figure[] = [];
  {
    await using place = await editorPlace(join(home, "editor"));
    figures.push(...(await serverFigures(place)));
    if (browserMissing === undefined) figures.push(...(await pageFigures(place)));
    else console.error(`  ${browserMissing}`);
  }
  return figures;
}
