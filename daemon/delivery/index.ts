/**
 * Delivery: brings journaled records to the sinks of their runs, behind one durable cursor for each run and sink.
 *
 * Architecture Invariant: delivery knows no tool; what differs between tools is in an adapter's Properties.
 * Architecture Invariant: one run and sink is one sequential loop; loops share an endpoint's turns, and nothing else.
 * Architecture Invariant: nothing is dropped for age; what a tool refuses becomes a dead letter with its reason.
 */
export type { Clock } from "./clock.ts";
export { createDelivery, type Delivery, type DeliveryOptions } from "./delivery.ts";
export type { Answer, Setback } from "./exchange.ts";
export { flattenJson } from "./flatten.ts";
export type { CrashPoint } from "./ledger.ts";
export type { Redriven } from "./letters.ts";
export { DEFAULT_LIMITS, type Limits } from "./limits.ts";
export type { DeliveryObserver, EndpointState, ObservedCall } from "./observer.ts";
export { allLetters } from "./redrive.ts";
export { TrackerKinds } from "./specs.ts";
