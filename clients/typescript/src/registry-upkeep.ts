import type { GcPolicy, GcResponse, Pin, VerifyResponse } from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import { toJson } from "./json.ts";
import { present } from "./registry-calls.ts";
import { TagCalls } from "./registry-tags.ts";
import {
  defaultActor,
  type GcOptions,
  type KeepPolicy,
  type PinOptions,
  type VerifyOptions,
} from "./registry-types.ts";
import { finite } from "./streams.ts";
import { whole } from "./whole.ts";

/** One thing that a collection tells: an entry a model that goes, progress in between, a summary last. */
export type GcPart = NonNullable<GcResponse["part"]>;

/** What keeps a registry sound and small. */
export abstract class UpkeepCalls extends TagCalls {
  /**
   * Tells which models nothing keeps and, with `apply`, deletes them; safe beside every other call. Leaving the loop
   * stops it. Throws GC_ABORTED on any doubt, INVALID_CONFIG, INVALID_ARGUMENT.
   */
  async *gc({ policy, apply = false, actor, signal }: GcOptions = {}): AsyncGenerator<GcPart> {
    const request = {
      registry: this.spec,
      policy: policyMessage(policy ?? {}),
      apply,
      actor: actor ?? defaultActor(),
    };
    const open = () => this.connection.services.registry.gc(request);
    for await (const { part } of finite(this.connection, open, signal)) if (part !== undefined) yield part;
  }

  /** Keeps a model from every collection until it is unpinned. Pinning again changes the reason. */
  async pin(ref: string, { reason = "", actor, signal }: PinOptions = {}): Promise<Pin> {
    const request = { registry: this.spec, ref, reason, actor: actor ?? defaultActor() };
    const { pin } = await this.ask(
      (registry) => unary(registry.pin.bind(registry), request, { signal }),
      signal,
    );
    return present(pin, "pin");
  }

  /** Takes a pin away. False when there was none. */
  async unpin(ref: string, { signal }: CallSettings = {}): Promise<boolean> {
    const request = { registry: this.spec, ref };
    const { removed } = await this.ask(
      (registry) => unary(registry.unpin.bind(registry), request, { signal }),
      signal,
    );
    return removed;
  }

  /** All pins, in byte order of the hashes. */
  async pins({ signal }: CallSettings = {}): Promise<Pin[]> {
    const request = { registry: this.spec };
    const { pins } = await this.ask(
      (registry) => unary(registry.listPins.bind(registry), request, { signal }),
      signal,
    );
    return pins;
  }

  /** Recomputes the digests of models (default: of all); one finding a model. `quick` reads no weights. */
  verify(
    refs: readonly string[] = [],
    { quick = false, signal }: VerifyOptions = {},
  ): AsyncGenerator<VerifyResponse> {
    const request = { registry: this.spec, refs: [...refs], quick };
    return finite(this.connection, () => this.connection.services.registry.verify(request), signal);
  }
}

function policyMessage(policy: KeepPolicy): GcPolicy {
  return {
    keepLast: whole("policy.keepLast", policy.keepLast ?? 0),
    minAgeUs: microseconds("policy.minAgeMs", policy.minAgeMs),
    keepMoves: policy.keepMoves === undefined ? undefined : whole("policy.keepMoves", policy.keepMoves),
    keepMovedUs: microseconds("policy.keepMovedMs", policy.keepMovedMs),
    keepMetadataJson: (policy.keepMetadata ?? []).map((entries) => toJson(entries, "policy.keepMetadata")),
  };
}

function microseconds(field: string, ms: number | undefined): number | undefined {
  return ms === undefined ? undefined : whole(field, Math.round(ms * 1000));
}
