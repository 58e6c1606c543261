import { once } from "node:events";
import {
  createServer as createHttpServer,
  type IncomingMessage,
  type RequestListener,
  type ServerResponse,
} from "node:http";
import { createSecureServer, type Http2SecureServer, type ServerHttp2Stream } from "node:http2";
import { type AddressInfo, createServer, type Server, type Socket } from "node:net";
import { createServer as createTlsServer } from "node:tls";

/** A request as a receiver got it. */
export interface Received {
  readonly method: string;
  readonly path: string;
  readonly httpVersion: string;
  readonly headers: Readonly<Record<string, string>>;
  readonly body: Buffer;
}

/** A server that is called. */
export interface Receiver {
  readonly port: number;
  /** Whose body has arrived. */
  readonly requests: Received[];
  connections(): number;
  close(): Promise<void>;
}

export type Answer = (response: ServerResponse, received: Received) => void;

/** An HTTP/1.1 receiver. */
export function receive(answer: Answer, { host = "127.0.0.1", port = 0 } = {}): Promise<Receiver> {
  const requests: Received[] = [];
  return listen(createHttpServer(collect(requests, answer)), requests, { host, port });
}

/** An HTTP/2 receiver; also HTTP/1.1 for those that do not ask for more. */
export function receiveSecurely(
  answer: Answer,
  identity: { key: string; cert: string },
  { host = "127.0.0.1", port = 0 } = {},
): Promise<Receiver> {
  const requests: Received[] = [];
  const server: Http2SecureServer = createSecureServer({ ...identity, allowHTTP1: true });
  // The compatibility API's requests and responses are those of node:http, as far as they are used here.
  server.on("request", collect(requests, answer) as unknown as Parameters<typeof server.on>[1]);
  return listen(server, requests, { host, port });
}

/** An HTTP/2 receiver that answers each stream by hand. With an answer for it, it also serves HTTP/1.1. */
export function receiveStreams(
  onStream: (stream: ServerHttp2Stream) => void,
  identity: { key: string; cert: string },
  answerHttp1?: Answer,
): Promise<Receiver> {
  const requests: Received[] = [];
  const server = createSecureServer({ ...identity, allowHTTP1: answerHttp1 !== undefined });
  server.on("stream", (stream) => {
    stream.on("error", () => undefined);
    onStream(stream);
  });
  if (answerHttp1 !== undefined) {
    const answer = collect(requests, answerHttp1) as unknown as (request: { httpVersionMajor: number }) => void;
    server.on("request", (...exchange) => {
      if (exchange[0].httpVersionMajor === 1) answer(...(exchange as unknown as Parameters<typeof answer>));
    });
  }
  return listen(server, requests, { host: "127.0.0.1", port: 0 });
}

/** A receiver that negotiates a protocol over TLS, and then speaks of its own accord. */
export function receiveRawSecurely(
  onConnection: (socket: Socket) => void,
  identity: { key: string; cert: string },
  protocol: "h2" | "http/1.1",
): Promise<Receiver> {
  const server = createTlsServer({ ...identity, ALPNProtocols: [protocol] }, (socket) => {
    socket.on("error", () => undefined);
    onConnection(socket);
  });
  return listen(server, [], { host: "127.0.0.1", port: 0 });
}

/** A receiver that speaks no HTTP of its own accord. */
export function receiveRaw(onConnection: (socket: Socket) => void): Promise<Receiver> {
  return listen(createServer(onConnection), [], { host: "127.0.0.1", port: 0 });
}

function collect(requests: Received[], answer: Answer): RequestListener {
  return (request: IncomingMessage, response: ServerResponse) => {
    const chunks: Buffer[] = [];
    request.on("data", (chunk: Buffer) => chunks.push(chunk));
    request.on("error", () => undefined);
    request.on("end", () => {
      const { method = "", url: path = "", httpVersion } = request;
      const headers = request.headers as Record<string, string>;
      const received = { method, path, httpVersion, headers, body: Buffer.concat(chunks) };
      requests.push(received);
      answer(response, received);
    });
  };
}

async function listen(
  server: Server | Http2SecureServer,
  requests: Received[],
  { host, port }: { host: string; port: number },
): Promise<Receiver> {
  const sockets = new Set<Socket>();
  let connections = 0;
  server.on("connection", (socket: Socket) => {
    connections++;
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("sessionError", () => undefined);
  server.listen(port, host);
  await once(server, "listening");
  return {
    port: (server.address() as AddressInfo).port,
    requests,
    connections: () => connections,
    async close() {
      const closed = once(server, "close");
      server.close();
      for (const socket of sockets) socket.destroy();
      await closed;
    },
  };
}
