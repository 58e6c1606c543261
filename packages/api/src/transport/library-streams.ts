import type {
  Server,
  ServerErrorResponse,
  ServerWritableStream,
  UntypedHandleCall,
  UntypedServiceImplementation,
} from "@grpc/grpc-js";

type AddService = Pick<Server, "addService">;
type StreamCall = ServerWritableStream<unknown, unknown>;

/**
 * Stands between a server and libraries that add services of their own to it (health, reflection). Their streams never
 * end by themselves, and a server waits for its streams when it stops, or closes a connection: this ends them.
 */
export class LibraryStreams implements AddService {
  readonly #server: AddService;
  readonly #open = new Set<StreamCall>();

  constructor(server: AddService) {
    this.#server = server;
  }

  addService: Server["addService"] = (definition, implementation) => {
    const handlers: UntypedServiceImplementation = {};
    for (const [name, handler] of Object.entries(implementation)) handlers[name] = this.#tracked(handler);
    this.#server.addService(definition, handlers);
  };

  /** @param peer ends only the streams of this connection, `address:port`; default: all streams */
  end(error: ServerErrorResponse, peer?: string): void {
    for (const call of this.#open) if (peer === undefined || call.getPeer() === peer) call.emit("error", error);
  }

  #tracked(handler: UntypedHandleCall): UntypedHandleCall {
    return (call: StreamCall, callback?: unknown) => {
      // A unary call, which has a callback, ends by itself.
      if (callback === undefined) {
        this.#open.add(call);
        call.once("close", () => this.#open.delete(call));
      }
      Reflect.apply(handler, undefined, [call, callback]);
    };
  }
}
