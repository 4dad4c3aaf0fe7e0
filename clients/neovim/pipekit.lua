-- pipekit in Neovim 0.7 and later: hover, completion, diagnostics, code actions and code lenses on models and runs in
-- Python, TypeScript, JavaScript and YAML, by the language server `pkx lsp`.
--
--   require("pipekit").setup()
--
-- Needs no plugin. README.md tells the options, the commands and the functions.

local M = {}

local defaults = {
  -- The server; `pkx` from PATH.
  cmd = { "pkx", "lsp", "--stdio" },
  filetypes = { "python", "typescript", "typescriptreact", "javascript", "javascriptreact", "yaml" },
  -- The folder that holds one of these is the workspace.
  root_markers = { "pyproject.toml", "package.json", ".git" },
  -- As in docs/editor-protocol.md, such as { registry = "s3://team/models/" }.
  settings = {},
  -- Called with the client and the buffer, for key mappings.
  on_attach = nil,
}

local options = defaults
local NAME = "pipekit"
-- What the server told last.
local runs = {}
local daemon = nil

-- Neovim 0.12 takes get_active_clients away; 0.7 to 0.9 have nothing else.
local function client()
  local all = (vim.lsp.get_clients or vim.lsp.get_active_clients)()
  for _, it in ipairs(all) do
    if it.name == NAME then
      return it
    end
  end
end

-- Sends a request; `done` gets the result. A failure is told, with what to do about it.
local function request(method, params, done)
  local it = client()
  if it == nil then
    vim.notify("pipekit: no file is open that it serves.", vim.log.levels.WARN)
    return
  end
  local function answered(failure, result)
    if failure then
      local data = type(failure.data) == "table" and failure.data or {}
      vim.notify("pipekit: " .. failure.message .. " " .. (data.mend or ""), vim.log.levels.ERROR)
    elseif done then
      done(result)
    end
  end
  -- From 0.11 on `request` is a method.
  if vim.fn.has("nvim-0.11") == 1 then
    it:request(method, params, answered)
  else
    it.request(method, params, answered)
  end
end

local function summary(run)
  local name = run.name ~= "" and run.name or run.runId
  local metric = run.headline and string.format("  %s %s", run.headline.key, tostring(run.headline.value)) or ""
  return string.format("%-10s %s  %d points%s", run.state, name, run.points, metric)
end

-- Shows lines in a window of their own, which `q` closes.
local function show(title, lines)
  vim.cmd("botright new")
  local buffer = vim.api.nvim_get_current_buf()
  vim.bo.buftype = "nofile"
  vim.bo.bufhidden = "wipe"
  vim.bo.swapfile = false
  vim.api.nvim_buf_set_lines(buffer, 0, -1, false, lines)
  vim.bo.modifiable = false
  pcall(vim.api.nvim_buf_set_name, buffer, title)
  vim.keymap.set("n", "q", "<cmd>close<cr>", { buffer = buffer, nowait = true })
  return buffer
end

-- Shows the newest runs; <Enter> shows the run below the cursor.
function M.runs()
  request("pipekit/runs", { limit = 100 }, function(result)
    local lines = vim.tbl_map(summary, result.runs)
    local buffer = show("pipekit://runs", #lines > 0 and lines or { "There are no runs." })
    vim.keymap.set("n", "<cr>", function()
      local run = result.runs[vim.fn.line(".")]
      if run then
        M.run(run.runId)
      end
    end, { buffer = buffer })
  end)
end

-- Shows one run.
function M.run(run_id)
  request("pipekit/run", { runId = run_id }, function(run)
    local lines = { summary(run), "", "id       " .. run.runId }
    if run.reason ~= "" then
      table.insert(lines, "reason   " .. vim.fn.substitute(run.reason, "\n", " ", "g"))
    end
    for _, sink in ipairs(run.sinks) do
      table.insert(lines, string.format("sink     %s  %s, %d pending", sink.spec, sink.state, sink.pointsPending))
    end
    for _, series in ipairs(run.series) do
      local last = tostring(series.lastValue)
      table.insert(lines, string.format("metric   %s  %s at step %d", series.key, last, series.lastStep))
    end
    show("pipekit://run/" .. run.runId, lines)
  end)
end

-- For the status line: what runs now, or why nothing is known. Empty when nothing runs.
function M.statusline()
  if daemon and (daemon.state == "unavailable" or daemon.state == "incompatible") then
    return "pipekit: " .. daemon.state
  end
  local running = vim.tbl_filter(function(run)
    return run.state == "running"
  end, vim.tbl_values(runs))
  if #running == 0 then
    return ""
  end
  table.sort(running, function(a, b)
    return a.startedAtUs > b.startedAtUs
  end)
  local newest = running[1]
  local name = newest.name ~= "" and newest.name or newest.runId:sub(1, 8)
  local metric = newest.headline and string.format(" %s %s", newest.headline.key, tostring(newest.headline.value)) or ""
  local more = #running > 1 and string.format(" +%d", #running - 1) or ""
  -- A % in a name would mean something to the status line.
  return ((name .. metric .. more):gsub("%%", "%%%%"))
end

local function redraw()
  vim.cmd("redrawstatus")
end

local handlers = {
  ["pipekit/runStatus"] = function(_, told)
    if told.all then
      runs = {}
    end
    for _, run in ipairs(told.runs) do
      runs[run.runId] = run
    end
    redraw()
  end,
  ["pipekit/daemonStatus"] = function(_, told)
    daemon = told
    redraw()
  end,
  -- Nobody here needs them.
  ["pipekit/tagMoved"] = function() end,
  ["pipekit/points"] = function() end,
  ["pipekit/askText"] = function(_, params)
    local text = vim.fn.input(params.prompt .. ": ")
    return text ~= "" and { text = text } or vim.NIL
  end,
}

local function show_by_server(command)
  request("workspace/executeCommand", { command = command.command, arguments = command.arguments })
end

local function config(root)
  return {
    name = NAME,
    cmd = options.cmd,
    root_dir = root,
    handlers = handlers,
    settings = { pipekit = options.settings },
    init_options = { pipekit = vim.tbl_extend("force", options.settings, { notifications = true, askText = true }) },
    commands = {
      ["pipekit.showRun"] = function(command)
        M.run(command.arguments[1].runId)
      end,
      ["pipekit.showModel"] = show_by_server,
    },
    on_attach = function(it, buffer)
      vim.bo[buffer].omnifunc = "v:lua.vim.lsp.omnifunc"
      if options.on_attach then
        options.on_attach(it, buffer)
      end
    end,
  }
end

-- The nearest folder above a file that holds a root marker, else the file's own.
local function root_of(buffer)
  local folder = vim.fn.fnamemodify(vim.api.nvim_buf_get_name(buffer), ":p:h")
  local at = folder
  while true do
    for _, marker in ipairs(options.root_markers) do
      if (vim.uv or vim.loop).fs_stat(at .. "/" .. marker) then
        return at
      end
    end
    local above = vim.fn.fnamemodify(at, ":h")
    if above == at then
      return folder
    end
    at = above
  end
end

-- One server for all files: runs and models are the machine's, not a folder's.
local function attach(buffer)
  if vim.bo[buffer].buftype ~= "" then
    return
  end
  local running = client()
  local id = running and running.id or vim.lsp.start_client(config(root_of(buffer)))
  if id then
    vim.lsp.buf_attach_client(buffer, id)
  end
end

-- Starts the server with the first file that it serves. `given` goes over the defaults above.
function M.setup(given)
  options = vim.tbl_deep_extend("force", defaults, given or {})
  vim.api.nvim_create_user_command("PipekitRuns", M.runs, { desc = "the newest runs" })
  vim.api.nvim_create_user_command("PipekitRun", function(command)
    M.run(command.args)
  end, { nargs = 1, desc = "one run, by its id" })
  if vim.lsp.config and vim.lsp.enable then
    -- From 0.11 on Neovim starts servers itself.
    vim.lsp.config[NAME] = vim.tbl_extend("force", config(nil), {
      root_markers = options.root_markers,
      filetypes = options.filetypes,
    })
    vim.lsp.enable(NAME)
    return
  end
  vim.api.nvim_create_autocmd("FileType", {
    group = vim.api.nvim_create_augroup(NAME, { clear = true }),
    pattern = options.filetypes,
    callback = function(event)
      attach(event.buf)
    end,
  })
end

return M
