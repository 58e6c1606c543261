import { createServer, type IncomingHttpHeaders, type ServerResponse } from "node:http";
import type { AddressInfo, Socket } from "node:net";

/** A request as the receiver saw it. */
export interface Received {
  readonly path: string;
  readonly method: string;
  readonly headers: IncomingHttpHeaders;
  /** Names and values by turns, as they were sent. */
  readonly rawHeaders: readonly string[];
  readonly body: string;
  /** By the receiver's clock. */
  readonly atMs: number;
  /** How the caller has gone meanwhile: it closed the connection before there was an answer. */
  isAborted: boolean;
}

/** Answers a request, or does not. */
export type Answer = (response: ServerResponse, request: Received) => void;

/** A user's service, as webhooks find it. */
export interface Receiver {
  readonly url: string;
  readonly requests: readonly Received[];
  /** Of one path. */
  requestsOf(path: string): Received[];
  /** For all requests of a path from now on. Default: 200. */
  answer(path: string, answer: Answer): void;
  close(): Promise<void>;
}

export const status =
  (code: number, headers: Record<string, string> = {}, body = ""): Answer =>
  (response) =>
    void response.writeHead(code, headers).end(body);

/** Never answers. */
export const hang: Answer = () => undefined;

/** Listens on loopback. */
export async function startReceiver(): Promise<Receiver> {
  const requests: Received[] = [];
  const answers = new Map<string, Answer>();
  const sockets = new Set<Socket>();
  const server = createServer((message, response) => {
    const chunks: Buffer[] = [];
    message.on("data", (chunk: Buffer) => chunks.push(chunk));
    message.on("end", () => {
      const { url: path = "", method = "", headers, rawHeaders } = message;
      const body = Buffer.concat(chunks).toString();
      const received: Received = { path, method, headers, rawHeaders, body, atMs: Date.now(), isAborted: false };
      requests.push(received);
      response.on("close", () => {
        received.isAborted = !response.writableFinished;
      });
      (answers.get(path) ?? status(200))(response, received);
    });
  });
  server.on("connection", (socket) => {
    sockets.add(socket);
    socket.on("close", () => sockets.delete(socket));
  });
  await new Promise<void>((resolve) => server.listen(0, "127.0.0.1", resolve));
  const { port } = server.address() as AddressInfo;
  return {
    url: `http://127.0.0.1:${port}`,
    requests,
    requestsOf: (path) => requests.filter((each) => each.path === path),
    answer: (path, answer) => void answers.set(path, answer),
    async close() {
      for (const socket of sockets) socket.destroy();
      await new Promise((resolve) => server.close(resolve));
    },
  };
}
