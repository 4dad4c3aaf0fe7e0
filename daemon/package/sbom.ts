/**
 * Bills of materials, in CycloneDX 1.6 (cyclonedx.org/docs/1.6/json): one of the daemon's bundle, as the npm package holds it,
 * and one of the Python wheel, which holds the same bundle and requires packages besides.
 */
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { type Licensed, spdxOf } from "./licences.ts";
import { type Bom, folderOf } from "./materials.ts";
import { manifestOf } from "./tree.ts";

/** Writes both into the folder `out`. `packages` are the folders of what is in the bundle. */
export function writeBoms(
  npm: Bom,
  python: readonly Licensed[],
  packages: readonly string[],
  out: string,
): void {
  const { version, license } = manifestOf("daemon");
  const bundled = bundledOf(npm, packages);
  const refs = bundled.components.map((component) => component["bom-ref"]);
  const about = { type: "application", version, licenses: [{ license: { id: license } }] };
  const daemon = `pkg:npm/%40pipekit/daemon@${version}`;
  write(join(out, "pipekit-daemon.cdx.json"), {
    ...bundled,
    metadata: { component: { ...about, group: "@pipekit", name: "daemon", "bom-ref": daemon, purl: daemon } },
    dependencies: [...bundled.dependencies, { ref: daemon, dependsOn: refs }],
  });
  const wheel = `pkg:pypi/pipekit-experiment@${version}`;
  const required = python.map(pythonComponent);
  write(join(out, "pipekit_experiment.cdx.json"), {
    ...bundled,
    metadata: { component: { ...about, name: "pipekit-experiment", "bom-ref": wheel, purl: wheel } },
    components: [...bundled.components, ...required],
    dependencies: [
      ...bundled.dependencies,
      { ref: wheel, dependsOn: [...refs, ...required.map((component) => component["bom-ref"])] },
    ],
  });
}

/** Of everything that the tree has, what is in the bundle. Throws when the bundle holds something that is not told of. */
function bundledOf(npm: Bom, packages: readonly string[]): Pick<Bom, "components" | "dependencies"> {
  const components = npm.components.filter((component) => packages.includes(folderOf(component)));
  const told = new Set(components.map(folderOf));
  const untold = packages.filter((folder) => !told.has(folder));
  if (untold.length > 0) throw new Error(`The bill of materials has nothing of ${untold.join(", ")}.`);
  const kept = new Set(components.map((component) => component["bom-ref"]));
  const dependencies = npm.dependencies
    .filter(({ ref }) => kept.has(ref))
    .map(({ ref, dependsOn }) => ({ ref, dependsOn: dependsOn.filter((target) => kept.has(target)) }));
  return { components, dependencies };
}

function pythonComponent({ name, version, licence }: Licensed) {
  const purl = `pkg:pypi/${name}@${version}`;
  const licenses = [{ license: { id: spdxOf(licence) } }];
  return { type: "library", name, version, "bom-ref": purl, purl, licenses, scope: "required" };
}

function write(file: string, content: object): void {
  const bom = { bomFormat: "CycloneDX", specVersion: "1.6", version: 1, ...content };
  writeFileSync(file, `${JSON.stringify(bom, null, 2)}\n`);
}
