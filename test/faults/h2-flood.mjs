/**
 * Floods a gRPC port with frames of HTTP/2 (RFC 9113) that no client library sends: `node h2-flood.mjs PORT KIND MS`.
 * A process of its own, so that it takes no time from those who measure. Four connections at a time, each as fast as it
 * goes, none of which reads what it gets; each that is cut is replaced.
 */
import { once } from "node:events";
import { connect } from "node:net";

const [port, kind, ms] = process.argv.slice(2);
const CONNECTIONS = 4;
const FRAMES_AT_ONCE = 200;
const MAX_UNSENT_BYTES = 4 * 1024 * 1024;
const TYPE = { data: 0, headers: 1, rstStream: 3, settings: 4, ping: 6, continuation: 9 };
const END_STREAM = 0x1;
const END_HEADERS = 0x4;
const CANCEL = 8;

const preface = Buffer.from("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n");

function frame(type, flags, streamId, payload = Buffer.alloc(0)) {
  const head = Buffer.alloc(9);
  head.writeUIntBE(payload.length, 0, 3);
  head.writeUInt8(TYPE[type], 3);
  head.writeUInt8(flags, 4);
  head.writeUInt32BE(streamId, 5);
  return Buffer.concat([head, payload]);
}

/** Without compression (RFC 7541): indices of the static table, then literals. */
function callHeaders() {
  const literal = (text) => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)]);
  const [post, http, path, authority, newName] = [0x83, 0x86, 0x04, 0x01, 0x00].map((byte) => Buffer.from([byte]));
  return Buffer.concat([
    ...[post, http, path, literal("/taskscheduler.v1.TaskService/ListTasks"), authority, literal("localhost")],
    ...[newName, literal("content-type"), literal("application/grpc"), newName, literal("te"), literal("trailers")],
  ]);
}

const headers = callHeaders();
const begin = (id) => frame("headers", END_HEADERS, id, headers);
const message = (id) => frame("data", END_STREAM, id, Buffer.alloc(5));
const reset = (id) => frame("rstStream", 0, id, Buffer.from([0, 0, 0, CANCEL]));

/** What a connection begins with, and what it then repeats, with a new stream's id each time. */
const kinds = {
  "calls that are reset": { repeat: (id) => Buffer.concat([begin(id), message(id), reset(id)]) },
  "calls that are reset before their message": { repeat: (id) => Buffer.concat([begin(id), reset(id)]) },
  pings: { repeat: () => frame("ping", 0, 0, Buffer.alloc(8)) },
  settings: { repeat: () => frame("settings", 0, 0) },
  "empty frames of data": { first: begin(1), repeat: () => frame("data", 0, 1) },
  "resets of unknown streams": { repeat: reset },
  "headers without an end": {
    first: frame("headers", 0, 1),
    repeat: () => frame("continuation", 0, 1, Buffer.alloc(64)),
  },
};

const pause = (forMs) => new Promise((resolve) => setTimeout(resolve, forMs));
const until = performance.now() + Number(ms);

async function floodOnce({ first = Buffer.alloc(0), repeat }) {
  const socket = connect(Number(port), "127.0.0.1");
  socket.on("error", () => undefined);
  socket.pause();
  await Promise.race([once(socket, "connect").catch(() => undefined), pause(1_000)]);
  socket.write(Buffer.concat([preface, frame("settings", 0, 0), first]));
  let streamId = 1;
  while (!socket.destroyed && performance.now() < until && socket.writableLength < MAX_UNSENT_BYTES) {
    const frames = Array.from({ length: FRAMES_AT_ONCE }, () => {
      streamId += 2;
      return repeat(streamId);
    });
    const sent = new Promise((resolve) => socket.write(Buffer.concat(frames), resolve));
    // A server that no longer reads is as good as one that has cut us.
    await Promise.race([sent, pause(100)]);
  }
  socket.destroy();
}

async function floodOn() {
  while (performance.now() < until) await floodOnce(kinds[kind]);
}

await Promise.all(Array.from({ length: CONNECTIONS }, floodOn));
