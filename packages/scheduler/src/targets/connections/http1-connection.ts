import { Agent, type ClientRequest, type IncomingMessage, request as startRequest } from "node:http";
import type { Socket } from "node:net";
import type { WebhookRequest } from "../webhook-request.js";
import {
  authorityOf,
  type Connection,
  type ConnectionEvents,
  IDLE_MS,
  MAX_HEADER_BYTES,
  type Response,
  settled,
  UnansweredError,
} from "./connection.js";

/** Upper bound of the idle time that a `Keep-Alive` header can ask for. */
const MAX_IDLE_MS = 10_000;
/** Subtracted from the receiver's idle time: a request needs time to get there. */
const IDLE_MARGIN_MS = 2_000;
const SWITCHING_PROTOCOLS = 101;

/**
 * A connection that speaks HTTP/1.1.
 *
 * Node's parser reads responses leniently. RFC 9112 has recipients take folded headers, a length beside chunks and a later
 * minor version, which the strict parser refuses. Leniency is dangerous between a client and a proxy that share a
 * connection; here a receiver can only mislead about its own answer.
 */
export class Http1Connection implements Connection {
  readonly #socket: Socket;
  readonly #agent: SocketAgent;
  #isBusy = false;
  /** Bytes have arrived since the request under way was sent. */
  #isAnswered = false;
  #idleMs = IDLE_MS;

  constructor(socket: Socket, { onFree, onClose }: ConnectionEvents) {
    this.#socket = socket;
    this.#agent = new SocketAgent(socket);
    // The request under way reports an error; an idle connection closes.
    socket.on("error", () => undefined);
    socket.on("timeout", () => socket.destroy());
    socket.on("close", onClose);
    socket.on("data", () => this.#onData());
    socket.on("free", () => {
      this.#rest();
      if (this.isFree) onFree();
    });
  }

  get isFree(): boolean {
    return !this.#isBusy && this.#socket.writable;
  }

  send(request: WebhookRequest): Promise<Response> {
    this.#isBusy = true;
    this.#isAnswered = false;
    this.#socket.setTimeout(0);
    const { method, path, body } = request;
    const sent = startRequest({
      agent: this.#agent,
      method,
      path,
      headers: headersOf(request),
      insecureHTTPParser: true,
      maxHeaderSize: MAX_HEADER_BYTES,
    });
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      sent.on("error", (error) => {
        failure = error;
        reject(this.#isAnswered ? error : new UnansweredError("SILENT", error));
      });
      sent.on("response", (response) => {
        this.#idleMs = idleMsOf(response);
        const body = bodyOf(response, sent, () => failure);
        resolve({ httpStatus: response.statusCode ?? 0, headers: response.headers, body });
      });
      sent.on("upgrade", (response) => {
        this.destroy();
        resolve({ httpStatus: SWITCHING_PROTOCOLS, headers: response.headers, body: noBody() });
      });
      sent.end(body);
    });
  }

  destroy(): void {
    this.#socket.destroy();
  }

  #rest(): void {
    this.#isBusy = false;
    if (this.#idleMs <= 0) this.destroy();
    this.#socket.setTimeout(this.#idleMs);
  }

  #onData(): void {
    this.#isAnswered = true;
    // Bytes that answer no request would pass for the next one's response.
    if (!this.#isBusy) this.destroy();
  }
}

/** Has Node send requests on an open socket, and leave the socket open for the next. */
class SocketAgent extends Agent {
  readonly #socket: Socket;

  constructor(socket: Socket) {
    super({ keepAlive: true });
    this.#socket = socket;
  }

  /** Node calls this with each request. */
  addRequest(request: ClientRequest): void {
    request.onSocket(this.#socket);
  }
}

/** A flat list spares Node a third of a request's cost. */
function headersOf({ origin, method, headers, body }: WebhookRequest): readonly string[] {
  const length = method === "GET" ? [] : ["content-length", String(body.length)];
  return ["host", authorityOf(origin), ...Object.entries(headers).flat(), ...length];
}

function idleMsOf({ headers }: IncomingMessage): number {
  const [, seconds] = /(?:^|[\s,;])timeout=(\d+)/i.exec(String(headers["keep-alive"])) ?? [];
  if (seconds === undefined) return IDLE_MS;
  return Math.min(Number(seconds) * 1_000 - IDLE_MARGIN_MS, MAX_IDLE_MS);
}

async function* bodyOf(
  response: IncomingMessage,
  sent: ClientRequest,
  failure: () => Error | undefined,
): AsyncIterable<Buffer> {
  try {
    yield* response;
  } catch (error) {
    // The request's error says why the body breaks off; the body's own error only says that it does.
    throw failure() ?? error;
  }
  // The next request finds the connection free.
  await settled(sent);
  if (!sent.closed) sent.destroy();
}

async function* noBody(): AsyncIterable<Buffer> {}
