/**
 * Who may do what over TCP: principals, what proves them, their roles, and the names that those reach to (docs/remote.md).
 *
 * Architecture Invariant: what is permitted is decided here, by one table of methods; a role only ever adds.
 */
export { Access, type AccessOptions, type AccessPaths, ADMIN, type Change } from "./access.ts";
export { type Holder, holderOf } from "./certificates.ts";
export { type Names, OWNER_TAG, Permission } from "./permission.ts";
export { isDecided, ruleOf } from "./permissions.ts";
export { readYaml } from "./placed-yaml.ts";
export { isRemote, PRINCIPAL_KEY, type Principal, principalOf, setPrincipal } from "./principal.ts";
export type { PrincipalEntry, Proof, Unproven } from "./principals.ts";
export type { RoleText } from "./roles.ts";
export type { Rule } from "./rules.ts";
export { checkToken, invalid, readSecretFile, readTokenFile } from "./secret-file.ts";
export type { TlsFiles } from "./tls-files.ts";
export { isSameToken } from "./tokens.ts";
