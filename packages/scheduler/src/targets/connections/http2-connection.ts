import {
  type ClientHttp2Session,
  type ClientHttp2Stream,
  connect,
  constants,
  type IncomingHttpHeaders,
  type IncomingHttpStatusHeader,
} from "node:http2";
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
  type Unanswered,
  UnansweredError,
} from "./connection.js";

/** Node's default of 128 refuses responses that HTTP/1.1 takes. */
const MAX_HEADERS = 2_000;
/** Their length is that of another response's body (RFC 9113, section 8.1.1). */
const BODILESS_STATUSES: ReadonlySet<number> = new Set([204, 304]);
const { NGHTTP2_HTTP_1_1_REQUIRED, NGHTTP2_NO_ERROR, NGHTTP2_REFUSED_STREAM } = constants;

/** A connection that speaks HTTP/2. */
export class Http2Connection implements Connection {
  readonly #session: ClientHttp2Session;
  readonly #onFree: () => void;
  #isBusy = false;

  constructor(origin: string, socket: Socket, { onFree, onClose }: ConnectionEvents) {
    this.#onFree = onFree;
    this.#session = connect(origin, {
      createConnection: () => socket,
      maxHeaderListPairs: MAX_HEADERS,
      settings: { enablePush: false, maxHeaderListSize: MAX_HEADER_BYTES },
    });
    // The request under way reports an error; an idle connection closes.
    this.#session.on("error", () => undefined);
    this.#session.on("timeout", () => this.#session.close());
    this.#session.on("close", onClose);
  }

  get isFree(): boolean {
    return !this.#isBusy && !this.#session.closed && !this.#session.destroyed;
  }

  send({ origin, path, method, headers, body }: WebhookRequest): Promise<Response> {
    this.#isBusy = true;
    this.#session.setTimeout(0);
    const pseudoHeaders = { ":method": method, ":scheme": "https", ":authority": authorityOf(origin), ":path": path };
    const length = method === "GET" ? {} : { "content-length": String(body.length) };
    const stream = this.#session.request({ ...pseudoHeaders, ...headers, ...length }, { endStream: body.length === 0 });
    return new Promise((resolve, reject) => {
      let failure: Error | undefined;
      let isAnswered = false;
      stream.on("error", (error) => {
        failure = error;
      });
      stream.on("headers", () => {
        isAnswered = true;
      });
      stream.on("close", () => {
        const error = failure ?? brokenOff(stream);
        const kind = isAnswered ? undefined : this.#kindOf(stream);
        reject(kind === undefined ? error : new UnansweredError(kind, error));
        this.#rest();
      });
      stream.on("response", (responseHeaders) => {
        const { ":status": httpStatus = 0, ...rest } = responseHeaders;
        resolve({ httpStatus, headers: rest, body: bodyOf(stream, lengthOf(responseHeaders)) });
      });
      if (body.length > 0) stream.end(body);
    });
  }

  destroy(): void {
    this.#session.destroy();
  }

  /** Undefined for a stream that ended alone: the receiver has dealt with the request. */
  #kindOf({ rstCode }: ClientHttp2Stream): Unanswered | undefined {
    if (rstCode === NGHTTP2_REFUSED_STREAM) return "REFUSED";
    if (rstCode === NGHTTP2_HTTP_1_1_REQUIRED) return "HTTP_1_1_REQUIRED";
    return this.#session.destroyed ? "SILENT" : undefined;
  }

  #rest(): void {
    this.#isBusy = false;
    if (!this.isFree) return;
    this.#session.setTimeout(IDLE_MS);
    this.#onFree();
  }
}

/** The length that a response says its body has; undefined where it does not say. */
function lengthOf({
  ":status": status = 0,
  "content-length": length,
}: IncomingHttpHeaders & IncomingHttpStatusHeader): number | undefined {
  return length === undefined || BODILESS_STATUSES.has(Number(status)) ? undefined : Number(length);
}

async function* bodyOf(stream: ClientHttp2Stream, length: number | undefined): AsyncIterable<Buffer> {
  let readBytes = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    readBytes += chunk.length;
    yield chunk;
  }
  // The next request finds the connection free.
  await settled(stream);
  // Node ends the body of a stream that was reset as if it were whole.
  const isWhole = stream.rstCode === NGHTTP2_NO_ERROR && (length === undefined || readBytes === length);
  if (!isWhole) throw brokenOff(stream);
  stream.destroy();
}

function brokenOff({ rstCode }: ClientHttp2Stream): Error {
  return new Error(`the receiver ended the stream with HTTP/2 code ${rstCode}`);
}
