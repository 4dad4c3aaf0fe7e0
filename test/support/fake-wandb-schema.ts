/**
 * What the fake W&B server tells of its schema. Old clients ask for it before they call, and leave out what a server
 * does not name (wandb/sdk/internal/internal_api.py of 0.16.0).
 */

/** Names of the queries, and for each type that it asks for the names of the fields that the server has. */
const PROBES: Readonly<Record<string, Readonly<Record<string, readonly string[]>>>> = {
  ProbeServerCapabilities: {
    QueryType: ["serverInfo"],
    MutationType: ["createRunFiles"],
    ServerInfoType: ["features"],
  },
  ProbeServerSettings: { ServerSettingsType: [] },
  ProbeServerArtifact: { ArtifactInfoType: [] },
  ProbeServerCreateArtifactInput: { CreateArtifactInputInfoType: ["clientID", "sequenceClientID"] },
  ProbeServerCreateArtifactFileSpecInput: { CreateArtifactFileSpecInputInfoType: ["uploadPartsInput"] },
};

/** Data of a query about the schema; nothing when it is another. */
export function schemaOf(query: string): unknown {
  const types = PROBES[query];
  if (types === undefined) return undefined;
  // Output types have `fields`, inputs `inputFields`; clients ask for one of them.
  const told = (names: readonly string[]) => names.map((name) => ({ name }));
  return Object.fromEntries(
    Object.entries(types).map(([type, names]) => [type, { fields: told(names), inputFields: told(names) }]),
  );
}
