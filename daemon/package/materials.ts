/** What comes from outside: the npm packages and the Python packages that are shipped or required. */
import { readFileSync } from "node:fs";
import { z } from "zod";
import { type Licensed, refusedLicences } from "./licences.ts";
import { inStage, ROOT, run } from "./tree.ts";

const PYTHON = `${ROOT}/.venv/bin/python`;

const ComponentSchema = z.looseObject({
  name: z.string(),
  group: z.string().optional(),
  version: z.string(),
  "bom-ref": z.string(),
  licenses: z
    .array(
      z.looseObject({
        license: z.looseObject({ id: z.string().optional(), name: z.string().optional() }).optional(),
        expression: z.string().optional(),
      }),
    )
    .default([]),
  properties: z.array(z.object({ name: z.string(), value: z.string() })).default([]),
});

/** A component of a CycloneDX document, with all that its maker wrote. */
export type Component = z.infer<typeof ComponentSchema>;

const BomSchema = z.looseObject({
  components: z.array(ComponentSchema),
  dependencies: z.array(z.object({ ref: z.string(), dependsOn: z.array(z.string()).default([]) })),
});

/** A CycloneDX document. */
export type Bom = z.infer<typeof BomSchema>;

const RequirementsSchema = z.array(
  z.object({ name: z.string(), version: z.string(), licence: z.string() }),
) satisfies z.ZodType<Licensed[]>;

/** Everything of npm that is no tool of the development, as cyclonedx-npm finds it in the tree. */
export function npmMaterials(): Promise<Bom> {
  return inStage(async (stage) => {
    const file = `${stage}/bom.json`;
    const flags = ["--omit", "dev", "--flatten-components", "--short-PURLs", "--output-reproducible"];
    await run(`${ROOT}/node_modules/.bin/cyclonedx-npm`, [...flags, "--output-file", file]);
    return BomSchema.parse(JSON.parse(readFileSync(file, "utf8")));
  });
}

/** What the Python client requires, with all that that requires. */
export async function pythonMaterials(): Promise<Licensed[]> {
  return RequirementsSchema.parse(JSON.parse(await run(PYTHON, [`${import.meta.dirname}/requirements.py`])));
}

/** Where in the tree a component of npm lies, such as `node_modules/zod`. */
export function folderOf({ properties }: Component): string {
  return properties.find(({ name }) => name === "cdx:npm:package:path")?.value ?? "";
}

/** Throws when one of them has a licence that nobody has looked at. */
export function checkLicences(npm: Bom, python: readonly Licensed[]): void {
  const outside = npm.components.filter((component) => folderOf(component).includes("node_modules/"));
  const refused = refusedLicences([...outside.map(licensed), ...python]);
  if (refused.length === 0) return;
  throw new Error(`Licences that are not allowed (daemon/package/licences.ts):\n${refused.join("\n")}`);
}

function licensed({ group, name, version, licenses }: Component): Licensed {
  const told = licenses.map(({ license, expression }) => expression ?? license?.id ?? license?.name ?? "");
  return { name: group === undefined ? name : `${group}/${name}`, version, licence: told.join(" AND ") };
}
