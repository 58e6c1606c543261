import { connect, createServer, type Socket } from "node:net";

/** A TCP proxy that keeps what callers send, as somebody on the way could. */
export interface RecordingProxy {
  readonly port: number;
  /** All that callers have sent, of every connection. */
  sent(): Buffer;
  /** Cuts what is open, and takes no more. */
  close(): Promise<void>;
}

/**
 * @param targetPort on 127.0.0.1
 * @param host where the proxy listens: an address of loopback
 */
export async function startRecordingProxy(targetPort: number, host = "127.0.0.1"): Promise<RecordingProxy> {
  const chunks: Buffer[] = [];
  const open = new Set<Socket>();
  const server = createServer((caller) => {
    const target = connect({ port: targetPort, host: "127.0.0.1" });
    caller.on("data", (chunk) => chunks.push(chunk));
    caller.pipe(target).pipe(caller);
    for (const [socket, other] of [
      [caller, target],
      [target, caller],
    ] as const) {
      open.add(socket);
      socket.on("error", () => undefined);
      socket.on("close", () => {
        open.delete(socket);
        other.destroy();
      });
    }
  });
  await new Promise<void>((resolve, reject) => server.once("error", reject).listen(0, host, resolve));
  const address = server.address();
  if (address === null || typeof address === "string") throw new Error("the proxy has no port");
  return {
    port: address.port,
    sent: () => Buffer.concat(chunks),
    close() {
      const closed = new Promise<void>((resolve) => server.close(() => resolve()));
      for (const socket of open) socket.destroy();
      return closed;
    },
  };
}
