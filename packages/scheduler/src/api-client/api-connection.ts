import { setMaxListeners } from "node:events";
import { type ChannelOptions, Client, connectivityState, credentials } from "@grpc/grpc-js";
import { ApiError, unavailableCode } from "./api-error.js";

const maxMessageBytes = 64 * 1024 * 1024;
/** Every call under way listens to the signal that cuts the connection; Node warns of more than ten listeners. */
const noListenerLimit = 0;
/** Maximum time to connect, from the first packet to the settings of HTTP/2. */
const connectMs = 1_000;

const channelOptions: ChannelOptions = {
  "grpc.max_receive_message_length": maxMessageBytes,
  "grpc.max_send_message_length": maxMessageBytes,
  // A peer that vanished without a word is noticed after the sum of the two.
  "grpc.keepalive_time_ms": 10_000,
  "grpc.keepalive_timeout_ms": 5_000,
  "grpc.initial_reconnect_backoff_ms": 100,
  "grpc.min_reconnect_backoff_ms": 100,
  "grpc.max_reconnect_backoff_ms": 1_000,
  // No retry policy is configured: the callers know which calls are still worth sending. With this option the library sends
  // a call again that the API never saw, such as a call that crossed the GOAWAY of an aged connection.
  "grpc.enable_retries": 1,
  // Two clients of one address would share a connection, also one that was left.
  "grpc.use_local_subchannel_pool": 1,
  // Ignores `http_proxy` and the like.
  "grpc.enable_http_proxy": 0,
};

/** An address of an API after its name was resolved. */
export interface ApiTarget {
  /** An IP address with its port, `10.0.0.1:50051` or `[::1]:50051`. */
  readonly address: string;
  /** The configured address, for the `:authority` header of HTTP/2. */
  readonly authority: string;
}

/**
 * A connection to one API.
 *
 * - open: takes calls;
 * - retired: takes no more calls, and closes when the last call under way has ended;
 * - cut: has failed its calls under way with UNAVAILABLE, and closed.
 */
export class ApiConnection {
  readonly address: string;
  readonly #client: Client;
  readonly #cutting = new AbortController();
  #isRetired = false;
  #isClosed = false;
  #underWay = 0;
  #failingSinceMs: number | undefined;

  private constructor(address: string, client: Client) {
    this.address = address;
    this.#client = client;
    setMaxListeners(noListenerLimit, this.#cutting.signal);
  }

  /** @throws Error when the API cannot be reached in time, or when the signal is aborted */
  static async open({ address, authority }: ApiTarget, signal: AbortSignal): Promise<ApiConnection> {
    const options = { ...channelOptions, "grpc.default_authority": authority };
    const client = new Client(address, credentials.createInsecure(), options);
    try {
      await untilReady(client, signal);
    } catch (error) {
      client.close();
      throw error;
    }
    return new ApiConnection(address, client);
  }

  /**
   * Does a unary call.
   * @param call gets a signal that ends it when the connection is cut
   * @throws ApiError
   */
  async unary<T>(call: (client: Client, cut: AbortSignal) => Promise<T>): Promise<T> {
    this.#begin();
    try {
      return await call(this.#client, this.#cutting.signal);
    } finally {
      this.#end();
    }
  }

  /** Does a call that the API answers with a stream. @throws ApiError */
  async *stream<T>(call: (client: Client, cut: AbortSignal) => AsyncIterable<T>): AsyncGenerator<T, void, undefined> {
    this.#begin();
    try {
      yield* call(this.#client, this.#cutting.signal);
    } finally {
      this.#end();
    }
  }

  /** Notes that a claim or report failed. @returns how many milliseconds all claims and reports have failed for */
  failed(): number {
    this.#failingSinceMs ??= performance.now();
    return performance.now() - this.#failingSinceMs;
  }

  /** Notes that a claim or report was answered. */
  succeeded(): void {
    this.#failingSinceMs = undefined;
  }

  get isClosed(): boolean {
    return this.#isClosed;
  }

  retire(): void {
    this.#isRetired = true;
    if (this.#underWay === 0) this.#close();
  }

  cut(): void {
    this.#isRetired = true;
    this.#cutting.abort(new ApiError(unavailableCode, `the connection to ${this.address} was given up`));
    this.#close();
  }

  #begin(): void {
    if (this.#isRetired) throw new ApiError(unavailableCode, `the connection to ${this.address} takes no more calls`);
    this.#underWay += 1;
  }

  #end(): void {
    this.#underWay -= 1;
    if (this.#isRetired && this.#underWay === 0) this.#close();
  }

  #close(): void {
    if (this.#isClosed) return;
    this.#isClosed = true;
    this.#client.close();
  }
}

function untilReady(client: Client, signal: AbortSignal): Promise<void> {
  const channel = client.getChannel();
  const deadlineMs = Date.now() + connectMs;
  return new Promise((resolve, reject) => {
    let isSettled = false;
    const settle = (error?: Error): void => {
      isSettled = true;
      signal.removeEventListener("abort", onAbort);
      if (error === undefined) resolve();
      else reject(error);
    };
    const onAbort = (): void => settle(new Error("the client was closed"));
    const look = (timeout?: Error): void => {
      if (isSettled) return;
      const state = channel.getConnectivityState(true);
      if (state === connectivityState.READY) settle();
      else if (state === connectivityState.TRANSIENT_FAILURE) settle(new Error("no connection can be made"));
      else if (timeout !== undefined) settle(new Error(`no connection within ${connectMs} ms`));
      else channel.watchConnectivityState(state, deadlineMs, look);
    };
    if (signal.aborted) return onAbort();
    signal.addEventListener("abort", onAbort, { once: true });
    look();
  });
}
