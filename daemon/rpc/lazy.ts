/**
 * Services that are loaded at their first call: health and reflection bring a whole protobuf compiler along, which
 * a daemon that nobody inspects need not pay for, neither in start time nor in memory.
 */
import {
  type MethodDefinition,
  ServerInterceptingCall,
  type ServerInterceptor,
  type ServiceDefinition,
  type UntypedHandleCall,
  type UntypedServiceImplementation,
} from "@grpc/grpc-js";

/** What a library adds to a server. */
export interface LoadedService {
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;
}

/** Kind of a method: what streams. */
export interface MethodShape {
  readonly requestStream: boolean;
  readonly responseStream: boolean;
}

/** A service known by the shape of its methods until its first call. */
export class LazyService {
  readonly #name: string;
  readonly #load: () => Promise<LoadedService>;
  #loading: Promise<LoadedService> | undefined;
  #loaded: LoadedService | undefined;
  readonly definition: ServiceDefinition;
  readonly implementation: UntypedServiceImplementation;

  constructor(
    name: string,
    methods: Readonly<{ [method: string]: MethodShape }>,
    load: () => Promise<LoadedService>,
  ) {
    this.#name = name;
    this.#load = load;
    const entries = Object.entries(methods);
    this.definition = Object.fromEntries(
      entries.map(([method, shape]) => [method, this.#method(method, shape)]),
    );
    this.implementation = Object.fromEntries(entries.map(([method]) => [method, this.#handler(method)]));
  }

  /** Holds the first calls until the service is loaded; must be an interceptor of the server. */
  readonly interceptor: ServerInterceptor = (method, call) => {
    if (this.#loaded !== undefined || !method.path.startsWith(`/${this.#name}/`)) {
      return new ServerInterceptingCall(call);
    }
    return new ServerInterceptingCall(call, {
      start: (next) => {
        this.#loading ??= this.#load();
        this.#loading.then(
          (loaded) => {
            this.#loaded = loaded;
            next();
          },
          (error: unknown) => {
            this.#loading = undefined;
            call.sendStatus({ code: 13, details: `${this.#name} cannot be loaded: ${String(error)}` });
          },
        );
      },
    });
  };

  #method(method: string, shape: MethodShape): MethodDefinition<unknown, unknown> {
    const real = () => this.#real().definition[method] as MethodDefinition<unknown, unknown>;
    return {
      path: `/${this.#name}/${method}`,
      ...shape,
      requestSerialize: (message) => real().requestSerialize(message),
      requestDeserialize: (bytes) => real().requestDeserialize(bytes),
      responseSerialize: (message) => real().responseSerialize(message),
      responseDeserialize: (bytes) => real().responseDeserialize(bytes),
    };
  }

  #handler(method: string): UntypedHandleCall {
    const handle = (...args: unknown[]) => {
      const { definition, implementation } = this.#real();
      const name = definition[method]?.originalName ?? method;
      const real = implementation[name] ?? implementation[method];
      return (real as (...args: unknown[]) => unknown)(...args);
    };
    return handle as UntypedHandleCall;
  }

  #real(): LoadedService {
    if (this.#loaded === undefined) throw new Error(`${this.#name} is not loaded`);
    return this.#loaded;
  }
}
