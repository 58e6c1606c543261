import { once } from "node:events";
import { createServer, type IncomingMessage } from "node:http";
import { type AddressInfo, connect, type Socket } from "node:net";
import type { Duplex } from "node:stream";

/** A request for a tunnel, as the proxy got it. */
export interface Connect {
  readonly authority: string;
  /** Decoded `user:password`; empty: none. */
  readonly credentials: string;
}

/** An HTTP proxy that opens tunnels to 127.0.0.1, whatever name it is given. */
export interface ConnectProxy {
  readonly port: number;
  readonly connects: Connect[];
  /** Answers all requests from now on by hand. Undefined: tunnels are opened. */
  answer: ((socket: Duplex) => void) | undefined;
  /** Cuts all tunnels. */
  cut(): void;
  close(): Promise<void>;
}

/** Listens on loopback. */
export async function startConnectProxy(): Promise<ConnectProxy> {
  const sockets = new Set<Duplex>();
  const server = createServer((_, response) => void response.writeHead(405).end());
  const proxy: ConnectProxy = {
    port: 0,
    connects: [],
    answer: undefined,
    cut() {
      for (const socket of sockets) socket.destroy();
    },
    async close() {
      const closed = once(server, "close");
      server.close();
      proxy.cut();
      await closed;
    },
  };
  server.on("connection", (socket: Socket) => {
    sockets.add(socket);
    socket.on("error", () => undefined);
    socket.on("close", () => sockets.delete(socket));
  });
  server.on("connect", ({ url: authority = "", headers }: IncomingMessage, socket: Duplex) => {
    const [, base64 = ""] = /^Basic (.*)$/.exec(headers["proxy-authorization"] ?? "") ?? [];
    proxy.connects.push({ authority, credentials: Buffer.from(base64, "base64").toString() });
    if (proxy.answer === undefined) openTunnel(Number(authority.split(":").at(-1)), socket);
    else proxy.answer(socket);
  });
  server.listen(0, "127.0.0.1");
  await once(server, "listening");
  return Object.assign(proxy, { port: (server.address() as AddressInfo).port });
}

function openTunnel(port: number, socket: Duplex): void {
  const target = connect(port, "127.0.0.1", () => {
    socket.write("HTTP/1.1 200 Connection established\r\nvia: 1.1 proxy\r\n\r\n");
    socket.pipe(target).pipe(socket);
  });
  target.on("error", () => socket.end("HTTP/1.1 502 Bad Gateway\r\ncontent-length: 0\r\n\r\n"));
  target.on("close", () => socket.destroy());
  socket.on("close", () => target.destroy());
}
