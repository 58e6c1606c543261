import { connect, type Socket } from "node:net";

/** What a server answered to bytes that no HTTP client would send. */
export interface RawAnswer {
  /** 0: the connection ended without an answer. */
  readonly status: number;
  readonly text: string;
  readonly tookMs: number;
  /** Bytes of the body that the server, or the network in between, took. */
  readonly sentBytes: number;
}

export interface RawOptions {
  /** What follows `head`, as the server takes it. Sending stops when the answer is whole. */
  readonly body?: Iterable<Buffer>;
  /** Without an answer by then, it fails. */
  readonly withinMs: number;
}

/** Sends bytes on a connection of its own, and reads until the answer is whole or the connection ends. */
export function sendRaw(port: number, head: string | Buffer, { body = [], withinMs }: RawOptions): Promise<RawAnswer> {
  const startMs = performance.now();
  const socket = connect(port, "127.0.0.1");
  let received = "";
  let sentBytes = 0;
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => {
      socket.destroy();
      reject(new Error(`no answer within ${withinMs} ms, only ${JSON.stringify(received.slice(0, 200))}`));
    }, withinMs);
    const end = (): void => {
      clearTimeout(timer);
      socket.destroy();
      resolve({ ...partsOf(received), tookMs: performance.now() - startMs, sentBytes });
    };
    // A connection that is cut while we send is an end like any other.
    socket.on("error", () => undefined);
    socket.on("close", end);
    socket.on("data", (chunk) => {
      received += chunk.toString("latin1");
      if (isWhole(received)) end();
    });
    socket.write(head);
    void pour(socket, body, (length) => {
      sentBytes += length;
    });
  });
}

/** Writes no faster than the other side takes it, until all is sent or the connection ends. */
async function pour(socket: Socket, chunks: Iterable<Buffer>, sent: (length: number) => void): Promise<void> {
  let ready: (() => void) | undefined;
  const wake = (): void => ready?.();
  socket.on("drain", wake).on("close", wake);
  for (const chunk of chunks) {
    if (socket.destroyed) return;
    sent(chunk.length);
    if (socket.write(chunk)) continue;
    await new Promise<void>((resolve) => {
      ready = resolve;
    });
  }
}

function partsOf(received: string): { status: number; text: string } {
  const headEnd = received.indexOf("\r\n\r\n");
  const status = Number(/^HTTP\/1\.1 (\d{3})/.exec(received)?.[1] ?? 0);
  return { status, text: headEnd < 0 ? "" : received.slice(headEnd + 4) };
}

function isWhole(received: string): boolean {
  const headEnd = received.indexOf("\r\n\r\n");
  if (headEnd < 0) return false;
  const head = received.slice(0, headEnd);
  const length = /^content-length: (\d+)$/im.exec(head)?.[1];
  if (length !== undefined) return received.length >= headEnd + 4 + Number(length);
  return received.endsWith("0\r\n\r\n");
}

export function requestHead(method: string, path: string, headers: Readonly<Record<string, string>> = {}): string {
  const lines = Object.entries({ Host: "localhost", ...headers }).map(([name, value]) => `${name}: ${value}\r\n`);
  return `${method} ${path} HTTP/1.1\r\n${lines.join("")}\r\n`;
}

/** Chunks of a body of `megabytes` MiB of spaces, in the chunked transfer coding. */
export function* chunkedBody(megabytes: number): Generator<Buffer> {
  const chunk = Buffer.concat([Buffer.from("100000\r\n"), Buffer.alloc(1024 * 1024, " "), Buffer.from("\r\n")]);
  for (let index = 0; index < megabytes; index += 1) yield chunk;
  yield Buffer.from("0\r\n\r\n");
}

/** A message of gRPC, gRPC-Web or a Connect stream, with whatever flags and length. */
export function envelope(bytes: Uint8Array | string, flags = 0, length = Buffer.byteLength(bytes)): Buffer {
  const head = Buffer.alloc(5);
  head.writeUInt8(flags, 0);
  head.writeUInt32BE(length, 1);
  return Buffer.concat([head, Buffer.from(bytes as string)]);
}
