import { ServerInterceptingCall, type ServerInterceptor } from "@grpc/grpc-js";

/** What a stream's reader may be behind, with one message more. */
const windowBytes = 64 * 1024;

/**
 * Lets the next message of a stream be written before the last one has left. The library alone waits for each, a turn of
 * the event loop or more; written together, they go out together.
 */
export const sendWindow: ServerInterceptor = (method, call) =>
  // The library takes whatever has the interface.
  method.responseStream ? new WindowedCall(call) : (call as ServerInterceptingCall);

class WindowedCall extends ServerInterceptingCall {
  #unsentBytes = 0;
  #goOn: (() => void) | undefined;

  /** @param callback asks for the next message */
  override sendMessage(message: unknown, callback: () => void): void {
    // What the library's own services send has not been encoded yet: one at a time.
    const bytes = message instanceof Uint8Array ? message.length : windowBytes;
    this.#unsentBytes += bytes;
    super.sendMessage(message, () => {
      this.#unsentBytes -= bytes;
      if (this.#unsentBytes >= windowBytes) return;
      const goOn = this.#goOn;
      this.#goOn = undefined;
      goOn?.();
    });
    if (this.#unsentBytes < windowBytes) callback();
    else this.#goOn = callback;
  }
}
