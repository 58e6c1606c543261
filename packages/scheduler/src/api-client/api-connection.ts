import { setMaxListeners } from "node:events";
import { type ChannelOptions, Client, connectivityState, credentials } from "@grpc/grpc-js";
import { ApiError, unavailableCode } from "./api-error.js";

const maxMessageBytes = 64 * 1024 * 1024;
/** Every call under way listens to the signal that cuts it; Node warns of more than ten. */
const noListenerLimit = 0;
/** From the first packet to HTTP/2's settings. An API that takes longer is passed over. */
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
  // No call is configured to be tried again: the callers know what is still worth sending. The library itself sends again
  // what the API has not looked at, such as a call that crossed the end of an aged connection.
  "grpc.enable_retries": 1,
  // A new connection is made for each object: the one before, to the same address, may be why it was left.
  "grpc.use_local_subchannel_pool": 1,
  // The library would read `http_proxy`, which is meant for others.
  "grpc.enable_http_proxy": 0,
};

/** Where an API is reached. */
export interface ApiTarget {
  /** An IP address with its port, `10.0.0.1:50051` or `[::1]:50051`. */
  readonly address: string;
  /** The address as it was configured; HTTP/2 calls it the authority. */
  readonly authority: string;
}

/**
 * A connection to one API.
 *
 * - open: takes calls;
 * - retired: takes no more; the calls under way end by themselves, and then it closes;
 * - cut: the calls under way have failed with UNAVAILABLE, and it is closed.
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

  /** A claim or a report has failed. @returns for how long all of them have */
  failed(): number {
    this.#failingSinceMs ??= performance.now();
    return performance.now() - this.#failingSinceMs;
  }

  /** A claim or a report was answered. */
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
