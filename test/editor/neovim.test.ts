/** The snippet for Neovim, in a real one, with the real server and a real daemon. */
import { randomBytes } from "node:crypto";
import { rmSync, writeFileSync } from "node:fs";
import { join, resolve } from "node:path";
import { type Client, connect } from "@pipekit/experiment";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { startDaemon, type TestDaemon, temporaryHome } from "../support/daemon.ts";
import { neovimMissing, TestNeovim } from "../support/neovim.ts";

const ROOT = resolve(import.meta.dirname, "../..");
const TEXT = [
  "from pipekit_experiment import registry",
  'model = registry.load("production")',
  'other = registry.load("produktion")',
  "",
].join("\n");

/** The configuration of a user; what is chosen in menus is chosen by the test. */
const INIT = `
vim.opt.runtimepath:prepend("${ROOT}/clients/neovim")
pipekit = dofile("${ROOT}/clients/neovim/pipekit.lua")
pipekit.setup({
  cmd = { "${process.execPath}", "--disable-warning=ExperimentalWarning", "${ROOT}/daemon/main.ts", "lsp", "--stdio", "--no-start" },
})
asked = {}
offered = {}
wanted = ""
vim.ui.select = function(items, options, choose)
  for _, item in ipairs(items) do
    local text = options.format_item and options.format_item(item) or item
    table.insert(offered, text)
    if wanted ~= "" and text:find(wanted, 1, true) then return choose(item) end
  end
end
vim.fn.inputlist = function(lines)
  table.insert(asked, table.concat(lines, " "))
  return 1
end
notes = {}
vim.notify = function(text) table.insert(notes, text) end
function windows()
  return vim.tbl_filter(function(it) return vim.api.nvim_win_get_config(it).relative ~= "" end, vim.api.nvim_list_wins())
end
function floating()
  local first = windows()[1]
  return first and table.concat(vim.api.nvim_buf_get_lines(vim.api.nvim_win_get_buf(first), 0, -1, false), "\\n") or ""
end
function close_floating()
  for _, it in ipairs(windows()) do vim.api.nvim_win_close(it, true) end
end
`;

describe.skipIf(neovimMissing)(`Neovim${neovimMissing === undefined ? "" : `: ${neovimMissing}`}`, () => {
  let daemon: TestDaemon;
  let client: Client;
  let home: string;
  let hash: string;
  let neovim: TestNeovim;
  const poll = { timeout: 15_000, interval: 100 };

  beforeAll(async () => {
    daemon = await startDaemon();
    client = await connect({ endpoint: daemon.endpoint });
    const registry = client.registry();
    const operator = { module: "nets", class: "Digits", config: {} };
    const old = await registry.store({ operator, weights: randomBytes(10), name: "champion" });
    const stored = await registry.store({
      operator,
      weights: randomBytes(20),
      name: "production",
      actor: "ada",
    });
    hash = stored.model.hash;
    expect(old.model.hash).not.toBe(hash);
    home = temporaryHome();
    const file = join(home, "serve.py");
    writeFileSync(file, TEXT);
    neovim = await TestNeovim.start(INIT, file, daemon.clientEnv);
  });

  afterAll(async () => {
    await neovim[Symbol.asyncDispose]();
    rmSync(home, { recursive: true, force: true });
    client.close();
    await daemon.stop();
  });

  test("a ref that leads nowhere is a diagnostic", async () => {
    const messages = () =>
      neovim.lua<string[]>("vim.tbl_map(function(it) return it.message end, vim.diagnostic.get(0))");
    await expect.poll(messages, poll).toEqual([expect.stringContaining("produktion")]);
  });

  test('a hover on "production" tells the model, and who promoted it', async () => {
    await neovim.type("2G0fp");
    // Another hover would go into the window of the first.
    const card = async () => {
      const text = await neovim.lua<string>("floating()");
      if (!text.includes(hash)) await neovim.lua("(function() close_floating(); vim.lsp.buf.hover() end)()");
      return text;
    };
    await expect.poll(card, { ...poll, interval: 400 }).toContain(hash);
    expect(await card()).toContain("ada");
    await neovim.lua("close_floating()");
  });

  test("names are completed within a string", async () => {
    await neovim.type('<Esc>3G0f"lct"ch<C-x><C-o>');
    const words = () =>
      neovim.lua<string[]>("vim.tbl_map(function(it) return it.word end, vim.fn.complete_info().items)");
    await expect.poll(words, poll).toContain("champion");
    await neovim.type("<Esc>u");
  });

  test("promoting by a code action asks first, and moves the tag", async () => {
    await neovim.type('<Esc>2G0f"l');
    await neovim.lua('(function() wanted = "to champion"; vim.lsp.buf.code_action() end)()');
    await expect.poll(() => client.registry().resolve("champion"), poll).toBe(hash);
    const [question] = await neovim.lua<string[]>("asked");
    expect(question).toMatch(/Move champion .*1\. Promote/s);
    expect((await neovim.lua<string[]>("offered")).some((it) => it.startsWith("Pin to hash"))).toBe(true);
  });

  test("runs are listed, and the running one is in the status line", async () => {
    const run = await client.startRun({ name: "digits%" });
    run.log({ loss: 0.5 }, 1);
    const line = () => neovim.lua<string>("pipekit.statusline()");
    await expect.poll(line, poll).toContain("digits%%");
    await neovim.type("<Esc>:PipekitRuns<CR>");
    const lines = () => neovim.lua<string[]>("vim.api.nvim_buf_get_lines(0, 0, -1, false)");
    await expect.poll(lines, poll).toEqual([expect.stringMatching(/^running +digits%/)]);
    await neovim.type("<CR>");
    await expect.poll(lines, poll).toContainEqual(expect.stringMatching(/^id +/));
    await neovim.type("q");
    await run.end();
    await expect.poll(line, poll).toBe("");
    expect(await neovim.lua("notes")).toEqual([]);
  });
});
