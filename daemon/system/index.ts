/**
 * System metrics: what a run's host and its process use, sampled by the daemon of that host and journaled by a writer
 * of its own, as metrics named `system/...` in the way of MLflow.
 *
 * Only the daemon of the host that a run's start names samples it, and only while that process lives: so one run has
 * one series of each name, and a run that was carried here from elsewhere gets none.
 */
export { SystemWatch, type SystemWatchOptions } from "./watch.ts";
