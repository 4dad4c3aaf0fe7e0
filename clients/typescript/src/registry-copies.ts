import { resolve } from "node:path";
import type { ClientReadableStream } from "@grpc/grpc-js";
import type { CopyEvent, DiffResponse } from "@pipekit/proto";
import { type CallSettings, unary } from "./calls.ts";
import { type CopyOptions, defaultActor, type ExportOptions, type ImportOptions } from "./registry-types.ts";
import { UpkeepCalls } from "./registry-upkeep.ts";
import { finite } from "./streams.ts";

/** One thing that a copy tells: models and tags that were brought over, progress in between, a summary last. */
export type CopyPart = NonNullable<CopyEvent["part"]>;

/** Models from one place to another, and models beside each other. */
export abstract class CopyCalls extends UpkeepCalls {
  /**
   * Brings models, by default all, with their tags and histories into another registry. What is there is not sent
   * again, so that a copy that was broken off is taken up by the same call. Throws what load and store throw.
   */
  copyTo(target: string, options: CopyOptions = {}): AsyncGenerator<CopyPart> {
    const request = {
      registry: this.spec,
      target,
      refs: [...(options.refs ?? [])],
      withoutTags: options.withoutTags ?? false,
      force: options.force ?? false,
      actor: options.actor ?? defaultActor(),
    };
    return this.#parts(() => this.connection.services.registry.copy(request), options.signal);
  }

  /**
   * Writes models, by default all, with their tags and histories into one archive file on the daemon's host, which
   * appears when it is whole. Throws ARTIFACT_UNREADABLE, STORAGE_FULL.
   */
  exportTo(path: string, options: ExportOptions = {}): AsyncGenerator<CopyPart> {
    const request = {
      registry: this.spec,
      path: resolve(path),
      refs: [...(options.refs ?? [])],
      withoutTags: options.withoutTags ?? false,
      overwrite: options.overwrite ?? false,
    };
    return this.#parts(() => this.connection.services.registry.export(request), options.signal);
  }

  /**
   * Brings the models of an archive on the daemon's host in. What is there is left as it is. Throws
   * ARTIFACT_UNREADABLE, CORRUPT_ARCHIVE, STORAGE_FULL.
   */
  importFrom(path: string, options: ImportOptions = {}): AsyncGenerator<CopyPart> {
    const request = {
      registry: this.spec,
      path: resolve(path),
      withoutTags: options.withoutTags ?? false,
      force: options.force ?? false,
      actor: options.actor ?? defaultActor(),
    };
    return this.#parts(() => this.connection.services.registry.import(request), options.signal);
  }

  /** Tells in what two models differ. Throws CORRUPT_MODEL. */
  diff(refA: string, refB: string, { signal }: CallSettings = {}): Promise<DiffResponse> {
    const request = { registry: this.spec, refA, refB };
    return this.ask((registry) => unary(registry.diff.bind(registry), request, { signal }), signal);
  }

  async *#parts(
    open: () => ClientReadableStream<{ event?: CopyEvent | undefined }>,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<CopyPart> {
    for await (const { event } of finite(this.connection, open, signal)) {
      if (event?.part !== undefined) yield event.part;
    }
  }
}
