import { PipekitError, type ResolveTagResponse, type TagMove } from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import { PAGE, present, RegistryCalls } from "./registry-calls.ts";
import {
  type DeleteTagOptions,
  defaultActor,
  type RollbackOptions,
  type TagOptions,
  type WatchOptions,
} from "./registry-types.ts";
import { pages, resuming } from "./streams.ts";
import { whole } from "./whole.ts";

/** Names that point to models. */
export abstract class TagCalls extends RegistryCalls {
  /** Tells the hash that a ref stands for. */
  async resolve(ref: string, settings: CallSettings = {}): Promise<string> {
    return (await this.lookUp(ref, settings)).hash;
  }

  /** Tells the hash that a ref stands for, and for a tag the move that made it point there. */
  lookUp(ref: string, { signal }: CallSettings = {}): Promise<ResolveTagResponse> {
    const request = { registry: this.spec, ref };
    return this.ask((registry) => unary(registry.resolveTag.bind(registry), request, { signal }), signal);
  }

  /**
   * Points a tag to a model. Throws TAG_EXISTS without `force`, TAG_CONFLICT, TAG_NAME_INVALID. Here and below, a call whose
   * answer is lost is made once more, and the tag moves once; after DAEMON_UNAVAILABLE the history tells whether it was moved.
   */
  async tag(ref: string, name: string, options: TagOptions = {}): Promise<TagMove> {
    const { signal } = options;
    const request = {
      registry: this.spec,
      ref,
      name,
      force: options.force ?? false,
      expectedHash: options.expectedHash ?? "",
      actor: options.actor ?? defaultActor(),
      reason: options.reason ?? "",
    };
    const { move } = await this.askMove(
      (registry, moveId) => unary(registry.tag.bind(registry), { ...request, moveId }, { signal }),
      signal,
    );
    return present(move, "move");
  }

  /** Points a tag back to where it pointed before, by a new move. Throws TAG_CONFLICT when the tag moves meanwhile. */
  async rollback(name: string, options: RollbackOptions = {}): Promise<TagMove> {
    const { signal } = options;
    const request = {
      registry: this.spec,
      name,
      steps: whole("steps", options.steps ?? 1),
      actor: options.actor ?? defaultActor(),
      reason: options.reason ?? "",
    };
    const { move } = await this.askMove(
      (registry, moveId) => unary(registry.rollbackTag.bind(registry), { ...request, moveId }, { signal }),
      signal,
    );
    return present(move, "move");
  }

  /** Makes a name lead nowhere, by a move whose hash is empty; its history is kept. Throws TAG_CONFLICT. */
  async deleteTag(name: string, options: DeleteTagOptions = {}): Promise<TagMove> {
    const { signal } = options;
    const request = {
      registry: this.spec,
      name,
      expectedHash: options.expectedHash ?? "",
      actor: options.actor ?? defaultActor(),
      reason: options.reason ?? "",
    };
    const { move } = await this.askMove(
      (registry, moveId) => unary(registry.deleteTag.bind(registry), { ...request, moveId }, { signal }),
      signal,
    );
    return present(move, "move");
  }

  /** The tags that lead to a model, in byte order, each as its last move. */
  async *tags({ signal }: CallSettings = {}): AsyncGenerator<TagMove> {
    const ask = (pageToken: string) => {
      const request = { registry: this.spec, pageSize: PAGE, pageToken };
      return this.ask((registry) => unary(registry.listTags.bind(registry), request, { signal }), signal);
    };
    for await (const page of pages(ask)) yield* page.tags;
  }

  /** The moves of a tag, newest first. */
  async *history(name: string, { signal }: CallSettings = {}): AsyncGenerator<TagMove> {
    const ask = (pageToken: string) => {
      const request = { registry: this.spec, name, pageSize: 0, pageToken };
      return this.ask((registry) => unary(registry.tagHistory.bind(registry), request, { signal }), signal);
    };
    for await (const page of pages(ask)) yield* page.moves;
  }

  /**
   * The moves of a tag after `afterSeq`, then each new one as it is made; with 0, first where it points now. A move
   * that deleted the tag has an empty hash, and the next move may follow it. Goes on over restarts of the daemon, and
   * once there was a move also while the registry's server is away, without a gap or a repeat. Ends by leaving the
   * loop, or by throwing the signal's reason.
   */
  async *watchTag(name: string, { afterSeq = 0, signal }: WatchOptions = {}): AsyncGenerator<TagMove> {
    let seen = whole("afterSeq", afterSeq);
    const open = () =>
      this.connection.services.registry.watchTag({ registry: this.spec, name, afterSeq: seen });
    const passes = (error: unknown) =>
      seen > 0 && error instanceof PipekitError && error.code === "REGISTRY_UNAVAILABLE";
    for await (const { move } of resuming(this.connection, open, signal, passes)) {
      if (move === undefined || move.seq <= seen) continue;
      seen = move.seq;
      yield move;
    }
  }
}
