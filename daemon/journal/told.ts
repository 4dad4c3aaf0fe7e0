/**
 * Whether two JSON texts tell of the same fact. A row keeps the fields that its message had when it was journaled; a
 * message that is read from its frame today has the fields that were added since, too, with their default values.
 */
export function tellsTheSame(row: string, frame: string): boolean {
  if (row === frame) return true;
  try {
    return JSON.stringify(told(JSON.parse(row))) === JSON.stringify(told(JSON.parse(frame)));
  } catch {
    // A row that is not even JSON.
    return false;
  }
}

/** Without fields at the default of their type: the wire does not tell those from absent ones. */
function told(value: unknown): unknown {
  if (Array.isArray(value)) return value.map(told);
  if (typeof value !== "object" || value === null) return value;
  const fields = Object.entries(value).map(([name, field]) => [name, told(field)] as const);
  const kept = fields.filter(([, field]) => !isDefault(field)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return Object.fromEntries(kept);
}

function isDefault(value: unknown): boolean {
  if (typeof value === "object" && value !== null) return Object.keys(value).length === 0;
  return value === 0 || value === "" || value === false || value === null;
}
