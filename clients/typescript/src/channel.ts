import { Channel } from "@grpc/grpc-js";
import {
  ConfigServiceClient,
  DaemonServiceClient,
  DatasetServiceClient,
  type HelloResponse,
  MAX_MESSAGE_BYTES,
  PipekitError,
  PROTOCOL_MAX,
  PROTOCOL_MIN,
  RegistryServiceClient,
  TrackerServiceClient,
} from "@pipekit/proto";
import { isUnavailable, isUnimplemented, unary } from "./calls.ts";
import type { Endpoint } from "./endpoint.ts";

/** Version of this package. */
export const VERSION = "0.1.0";

const HELLO_TIMEOUT_MS = 5_000;

/** The daemon's services over one channel. */
export interface Services {
  readonly config: ConfigServiceClient;
  readonly daemon: DaemonServiceClient;
  readonly dataset: DatasetServiceClient;
  readonly registry: RegistryServiceClient;
  readonly tracker: TrackerServiceClient;
}

/** A channel on which the daemon has answered. */
export interface Live {
  readonly channel: Channel;
  readonly services: Services;
  readonly hello: HelloResponse;
  readonly remote: boolean;
}

/**
 * Opens a channel and says Hello. Throws PROTOCOL_MISMATCH, UNAUTHENTICATED (the token is not the daemon's), or
 * DAEMON_UNAVAILABLE when what answers is no daemon.
 */
export async function greet(endpoint: Endpoint, remainingMs: number): Promise<Live> {
  const { name, target, remote } = endpoint;
  const credentials = endpoint.credentials();
  const channel = new Channel(target, credentials, {
    ...endpoint.options,
    // A pool of its own: another channel's failures must not delay this one.
    "grpc.use_local_subchannel_pool": 1,
    "grpc.enable_http_proxy": 0,
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
    "grpc.max_send_message_length": MAX_MESSAGE_BYTES,
  });
  const options = { channelOverride: channel };
  const services: Services = {
    config: new ConfigServiceClient(target, credentials, options),
    daemon: new DaemonServiceClient(target, credentials, options),
    dataset: new DatasetServiceClient(target, credentials, options),
    registry: new RegistryServiceClient(target, credentials, options),
    tracker: new TrackerServiceClient(target, credentials, options),
  };
  const request = { client: `typescript/${VERSION}`, protocolMin: PROTOCOL_MIN, protocolMax: PROTOCOL_MAX };
  try {
    const timeoutMs = Math.max(1, Math.min(HELLO_TIMEOUT_MS, remainingMs));
    const hello = await unary(services.daemon.hello.bind(services.daemon), request, { timeoutMs });
    return { channel, services, hello, remote };
  } catch (error) {
    channel.close();
    if (!isUnavailable(error) && !isUnimplemented(error)) throw error;
    throw new PipekitError("DAEMON_UNAVAILABLE", `What listens at ${name} does not answer as a daemon.`, {
      field: name,
      mend: "Look at `pkx doctor`; if another program made this socket, stop it.",
      cause: error,
    });
  }
}
