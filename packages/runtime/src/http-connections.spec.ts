import { once } from "node:events";
import { createServer, type IncomingMessage, type Server, type ServerResponse } from "node:http";
import { connect, type Socket } from "node:net";
import { eventually } from "../../../test/setup/eventually.js";
import { HttpConnections, type HttpConnectionsOptions } from "./http-connections.js";
import { listenHttp } from "./http-listener.js";

const never = new AbortController().signal;
const cleanUps: (() => unknown)[] = [];

afterEach(async () => {
  for (const cleanUp of cleanUps.splice(0)) await cleanUp();
});

type Handler = (request: IncomingMessage, response: ServerResponse) => void;

const answerAtOnce: Handler = (_, response) => void response.end("ok");

async function serve(handler: Handler, options: HttpConnectionsOptions = {}) {
  const server: Server = createServer(handler);
  const connections = new HttpConnections(server, options);
  const port = await listenHttp(server, "127.0.0.1", 0, "HTTP_PORT");
  cleanUps.push(() => connections.close(AbortSignal.abort()));
  return { connections, dial: () => dial(port) };
}

/** A client that keeps its connection. */
async function dial(port: number) {
  const socket: Socket = connect(port, "127.0.0.1");
  let received = "";
  socket.setEncoding("utf8").on("data", (text: string) => {
    received += text;
  });
  const closed = new Promise<void>((resolve) => socket.once("close", () => resolve()));
  await once(socket, "connect");
  socket.on("error", () => undefined);
  cleanUps.push(() => socket.destroy());
  const answer = () => eventually("an answer", () => /^connection: ([^\r]*).*?ok/ims.exec(received)?.[1]);
  return {
    socket,
    closed,
    /** The answer's `Connection` header. */
    async get(): Promise<string> {
      received = "";
      socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
      return answer();
    },
    answer,
  };
}

describe("a connection over HTTP/1.1", () => {
  it("is kept until it has its age, and then ends with an answer", async () => {
    const { dial } = await serve(answerAtOnce, { maxAgeMs: 300 });
    const { get, closed } = await dial();
    expect(await get()).toBe("keep-alive");
    await eventually("an answer that closes it", async () => (await get()) === "close");
    await closed;
  });
});

describe("a server that closes", () => {
  it("answers what comes over open connections and over new ones, and then ends both", async () => {
    const { connections, dial } = await serve(answerAtOnce);
    const early = await dial();
    const idle = await dial();
    expect([await early.get(), await idle.get()]).toEqual(["keep-alive", "keep-alive"]);
    const closing = connections.close(never);
    expect(await early.get()).toBe("close");
    expect(await (await dial()).get()).toBe("keep-alive");
    await Promise.all([closing, early.closed, idle.closed]);
    await expect(dial()).rejects.toMatchObject({ code: "ECONNREFUSED" });
  });

  it("lets an answer that is under way end its connection", async () => {
    const waiting: ServerResponse[] = [];
    const { connections, dial } = await serve((_, response) => void waiting.push(response));
    const client = await dial();
    client.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    await eventually("it is asked", () => waiting.length === 1);
    const closing = connections.close(never);
    waiting[0]!.end("ok");
    expect(await client.answer()).toBe("close");
    await Promise.all([closing, client.closed]);
  });

  it("waits for no connection that never brought a request, and for one that has begun", async () => {
    const { connections, dial } = await serve(answerAtOnce);
    const [unused, begun] = [await dial(), await dial()];
    begun.socket.write("GET / HTTP/1.1\r\n");
    const closing = connections.close(never);
    await unused.closed;
    begun.socket.write("Host: x\r\n\r\n");
    expect(await begun.answer()).toBe("close");
    await Promise.all([closing, begun.closed]);
  });

  it("accepts connections no longer than it may", async () => {
    const { connections, dial } = await serve(answerAtOnce, { acceptMs: 300 });
    const closing = connections.close(never);
    await eventually("it refuses", () =>
      dial().then(
        () => false,
        () => true,
      ),
    );
    await closing;
  });

  it("cuts what is left when the signal is aborted", async () => {
    const { connections, dial } = await serve(() => undefined);
    const client = await dial();
    client.socket.write("GET / HTTP/1.1\r\nHost: x\r\n\r\n");
    const grace = new AbortController();
    const closing = connections.close(grace.signal);
    grace.abort();
    await Promise.all([closing, client.closed]);
  });
});
