/** How much a principal may ask for over TCP. */
import { z } from "zod";

/**
 * `quota:` of a principal in the principals file. What is left out is as in DEFAULT_QUOTA; 0 means no limit.
 */
export const QuotaSchema = z.strictObject({
  /** Connections at a time. */
  connections: z.number().int().min(0).max(100_000).optional(),
  /** Calls and streams at a time. */
  calls: z.number().int().min(0).max(100_000).optional(),
  /** Calls that it begins, a second. What is more waits: nothing is refused. */
  calls_per_s: z.number().min(0).max(1e6).optional(),
  /** Runs that it starts, a minute. */
  runs_per_minute: z.number().min(0).max(1e6).optional(),
  /** Calls of methods that the audit log may tell of: stores, tag moves, pins, collections and the like, a minute. */
  changes_per_minute: z.number().min(0).max(1e6).optional(),
  /** Metric points, a second. What is more is read later: nothing is refused or lost. */
  points_per_s: z.number().min(0).max(1e9).optional(),
  /** Megabytes of frames, a second. What is more is read later. */
  mb_per_s: z.number().min(0).max(1e5).optional(),
  /** Gigabytes of weights that it stores, a day (UTC), counted since the daemon started. */
  model_gb_per_day: z.number().min(0).max(1e6).optional(),
});

export type QuotaSettings = z.infer<typeof QuotaSchema>;
export type Quota = { readonly [name in keyof QuotaSettings]-?: number };

export const DEFAULT_QUOTA: Quota = {
  connections: 256,
  calls: 256,
  calls_per_s: 300,
  runs_per_minute: 600,
  changes_per_minute: 600,
  points_per_s: 0,
  mb_per_s: 64,
  model_gb_per_day: 0,
};

/** For all principals together. */
export const DAEMON_QUOTA: Quota = {
  // CONNECTION_LIMITS has that of all.
  connections: 0,
  calls: 4096,
  calls_per_s: 1000,
  runs_per_minute: 6000,
  changes_per_minute: 3000,
  points_per_s: 0,
  mb_per_s: 256,
  model_gb_per_day: 0,
};

/** A quota with its gaps filled. */
export function quotaFrom(settings: QuotaSettings = {}): Quota {
  const names = Object.keys(DEFAULT_QUOTA) as (keyof Quota)[];
  return Object.fromEntries(
    names.map((name) => [name, settings[name] ?? DEFAULT_QUOTA[name]]),
  ) as unknown as Quota;
}
