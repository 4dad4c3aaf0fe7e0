/** What a person does in VS Code's window, and what they read there. */
import type { FrameLocator, Locator, Page } from "playwright-core";

/** Longer than anything takes on a machine that is busy. Milliseconds. */
const PATIENCE_MS = 20_000;

/** The text that stands there now; empty where nothing does. */
export async function textOf(place: Locator): Promise<string> {
  return (await place.textContent()) ?? "";
}

export class Window {
  readonly page: Page;

  constructor(page: Page) {
    this.page = page;
    page.setDefaultTimeout(PATIENCE_MS);
  }

  /** Opens the address of an editor and waits until it is there. */
  async open(url: string): Promise<void> {
    await this.page.goto(url);
    await this.page.locator(".monaco-workbench .activitybar").waitFor();
  }

  /** Shows the trees of the extension. */
  async showTrees(): Promise<void> {
    const tab = this.page.locator('.activitybar [aria-label="Pipekit"]').first();
    await tab.waitFor();
    if (!(await this.row("resnet").first().isVisible())) await tab.click();
    await this.row("resnet").first().waitFor();
  }

  /** A row of a tree, by its text. */
  row(text: string | RegExp): Locator {
    return this.page.locator(".pane-body .monaco-list-row", { hasText: text });
  }

  /** Opens what is beneath a row. */
  async expand(row: Locator): Promise<void> {
    if ((await row.getAttribute("aria-expanded")) === "true") return;
    await row.locator(".monaco-tl-twistie").click();
  }

  /** Chooses an entry of a row's menu. */
  async menu(row: Locator, entry: string): Promise<void> {
    await row.click({ button: "right" });
    const item = this.page.getByRole("menuitem", { name: entry });
    // A menu takes no click at first, so that the one that opened it chooses nothing.
    await item.hover();
    await this.page.locator(".monaco-menu .action-item.focused", { hasText: entry }).waitFor();
    await this.page.keyboard.press("Enter");
    await item.waitFor({ state: "hidden" });
  }

  /** Opens a file of the workspace by its name. */
  async openFile(name: string): Promise<void> {
    await this.page.keyboard.press("Control+P");
    const box = this.page.locator(".quick-input-widget input.input");
    await box.fill(name);
    await this.choice(name).first().click();
    await this.page.locator(".tab.active", { hasText: name }).waitFor();
    await this.page.locator(".editor-instance .view-line").first().waitFor();
  }

  /** Runs a command by its name in the palette. */
  async command(name: string): Promise<void> {
    await this.page.keyboard.press("F1");
    const box = this.page.locator(".quick-input-widget input.input");
    await box.fill(`>${name}`);
    await this.choice(name).first().click();
  }

  /** Rows of a question that asks to choose. */
  choice(text: string | RegExp): Locator {
    return this.page.locator(".quick-input-list .monaco-list-row", { hasText: text });
  }

  /** A piece of text in the open file. */
  code(text: string): Locator {
    return this.page.locator(".editor-instance .view-line span span", { hasText: text }).last();
  }

  /** What is told over a piece of text in the open file. A hover that came before the file was known is tried again. */
  async hover(text: string): Promise<string> {
    const hover = this.page.locator(".monaco-hover:not(.hidden)", { hasText: "Hash:" });
    for (const end = Date.now() + PATIENCE_MS; Date.now() < end; ) {
      await this.code(text).hover();
      const shown = await hover.waitFor({ timeout: 1500 }).then(
        () => true,
        () => false,
      );
      if (shown) return textOf(hover);
      await this.page.mouse.move(600, 600);
    }
    throw new Error(`Nothing is told over ${text}.`);
  }

  /** Chooses a code action at a piece of text in the open file. */
  async act(text: string, action: string | RegExp): Promise<void> {
    await this.code(text).click();
    await this.page.keyboard.press("Control+.");
    await this.page.locator(".action-widget .monaco-list-row", { hasText: action }).click();
  }

  /** A message at the lower right. */
  message(text: string | RegExp): Locator {
    return this.page.locator(".notification-toast", { hasText: text });
  }

  async answer(text: string | RegExp, button: string): Promise<void> {
    await this.message(text).getByRole("button", { name: button, exact: true }).click();
  }

  get status(): Locator {
    return this.page.locator('.statusbar-item[id="pipekit.pipekit-experiment.pipekit.runs"]');
  }

  /** The page inside the webview that is shown. */
  get webview(): FrameLocator {
    return this.page.frameLocator("iframe.webview.ready").last().frameLocator("iframe#active-frame");
  }
}
