/** What callers may cost: connections before they have proved who they are, and quotas of principals after that. */
export { Bucket } from "./bucket.ts";
export { CONNECTION_LIMITS, type ConnectionLimits, MAX_STREAMS } from "./connection-limits.ts";
export { type Closing, Connections, newPeer, type Peer } from "./connections.ts";
export {
  DAEMON_QUOTA,
  DEFAULT_QUOTA,
  type Quota,
  QuotaSchema,
  type QuotaSettings,
  quotaFrom,
} from "./quota.ts";
export { type Excess, Use } from "./use.ts";
