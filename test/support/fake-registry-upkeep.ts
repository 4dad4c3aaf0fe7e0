/** Pins, collections and copies of the fake daemon: what was asked is kept, and what to tell is set by the test. */
import type {
  CopyEvent,
  CopyRequest,
  DiffRequest,
  DiffResponse,
  ExportRequest,
  GcRequest,
  GcResponse,
  ImportRequest,
  Pin,
  PinRequest,
  VerifyRequest,
} from "@pipekit/proto";
import { serverStream, unary } from "./fake-calls.ts";

type Asked = GcRequest | CopyRequest | ExportRequest | ImportRequest | DiffRequest | VerifyRequest;

export class FakeUpkeep {
  readonly asked: Asked[] = [];
  readonly pins = new Map<string, Pin>();
  collected: GcResponse[] = [];
  copied: CopyEvent[] = [];
  difference: DiffResponse | undefined;

  handlers(hashOf: (ref: string) => string) {
    const copies = serverStream(
      async function* (this: FakeUpkeep, request: CopyRequest | ExportRequest | ImportRequest) {
        this.asked.push(request);
        for (const event of this.copied) yield { event };
      }.bind(this),
    );
    return {
      gc: serverStream(
        async function* (this: FakeUpkeep, request: GcRequest) {
          this.asked.push(request);
          yield* this.collected;
        }.bind(this),
      ),
      pin: unary(({ ref, actor, reason }: PinRequest) => {
        const pin = { hash: hashOf(ref), actor, reason, atUs: 1_700_000_000_000_000 };
        this.pins.set(pin.hash, pin);
        return { pin };
      }),
      unpin: unary(({ ref }: { ref: string }) => ({ removed: this.pins.delete(hashOf(ref)) })),
      listPins: unary(() => ({ pins: [...this.pins.values()] })),
      copy: copies,
      export: copies,
      import: copies,
      diff: unary((request: DiffRequest) => {
        this.asked.push(request);
        return this.difference;
      }),
      describeRegistry: unary(({ registry }: { registry: string }) => ({ spec: registry, atomic: true })),
    };
  }
}
