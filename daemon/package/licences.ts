/** Licences under which others may hand on what they got with this project, by their SPDX names. */
const ALLOWED = new Set([
  "0BSD",
  "Apache-2.0",
  "BlueOak-1.0.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "ISC",
  "MIT",
  "PSF-2.0",
  "Unlicense",
]);

/** What authors wrote before there were SPDX names. */
const WRITTEN: { readonly [text: string]: string } = {
  "3-Clause BSD License": "BSD-3-Clause",
  "Apache License 2.0": "Apache-2.0",
  "MIT License": "MIT",
};

/** A package from outside, with its licence as it tells it. */
export interface Licensed {
  readonly name: string;
  readonly version: string;
  /** An SPDX expression, or free text; empty where it tells nothing. */
  readonly licence: string;
}

/** Those that may not be shipped until somebody has looked at their licence, a line each. */
export function refusedLicences(packages: readonly Licensed[]): string[] {
  return packages
    .filter(({ licence }) => !isAllowed(spdxOf(licence)))
    .map(({ name, version, licence }) => `${name} ${version}: ${licence || "no licence is told"}`);
}

/** The SPDX expression of a licence as it is told. */
export function spdxOf(licence: string): string {
  return WRITTEN[licence] ?? licence;
}

/** Of alternatives (OR) one must be allowed, of what goes together (AND) all. Nested expressions are for a person. */
function isAllowed(expression: string): boolean {
  const plain = expression.trim().replace(/^\(([^()]*)\)$/, "$1");
  return plain
    .split(" OR ")
    .some((choice) => choice.split(" AND ").every((name) => ALLOWED.has(name.trim())));
}
