/** What is published, made once, installed into empty places and used. */
import { rmSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe } from "vitest";
import { temporaryHome } from "../support/daemon.ts";
import { testBoms } from "./boms.ts";
import { type Made, makePackages } from "./made.ts";
import { testNpm } from "./npm.ts";
import { testPython } from "./python.ts";

const home = temporaryHome();
let packages: Made;
const made = () => packages;

beforeAll(async () => {
  packages = await makePackages(join(home, "dist"));
});

afterAll(() => rmSync(home, { recursive: true, force: true }));

describe("bills of materials", () => testBoms(made));
describe("npm", () => testNpm(made, home));
describe("Python", { timeout: 180_000 }, () => testPython(made, home));
