/** Where the real tools are that tests run against. */

import { join, resolve } from "node:path";

const ROOT = resolve(import.meta.dirname, "../..");

/**
 * Path of a program of the Python environment, such as `python`, `mlflow` or `dvc`: of `.venv`, or of the environment that
 * `$PKX_TEST_TOOLS` names, in which `npm run drift` has another release of a tool.
 */
export function toolPath(program: string): string {
  return join(process.env["PKX_TEST_TOOLS"] ?? join(ROOT, ".venv"), "bin", program);
}
