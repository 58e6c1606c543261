import { Agent, request as httpRequest } from "node:http";
import { fromBinary, fromJsonString, toBinary, toJsonString } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { serve } from "../child.js";
import { methodOf, type Requests, requestMaker } from "./requests.js";

/** So many unary calls, each connection with so many in flight, in a closed loop. */
export interface LoadOrder {
  readonly target: { readonly grpcAddress: string } | { readonly httpUrl: string };
  readonly requests: Requests;
  readonly connections: number;
  readonly inFlight: number;
  readonly calls: number;
}

export interface LoadResult {
  readonly seconds: number;
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** Every so many answers one is read and looked at; to read all would take the client as long as the server. */
const LOOK_EVERY = 101;

interface Connection {
  call(index: number): Promise<Uint8Array | string>;
  close(): void;
}

/** @throws when a call fails, or an answer lacks its task */
async function load(order: LoadOrder): Promise<LoadResult> {
  const connections = Array.from({ length: order.connections }, () => connectionOf(order));
  const latenciesMs: number[] = [];
  let begun = 0;
  const startMs = performance.now();
  const loop = async (connection: Connection): Promise<void> => {
    while (begun < order.calls) {
      const index = begun++;
      const sentMs = performance.now();
      const answer = await connection.call(index);
      latenciesMs.push(performance.now() - sentMs);
      if (index % LOOK_EVERY === 0) lookAt(order.requests, answer);
    }
  };
  await Promise.all(connections.flatMap((each) => Array.from({ length: order.inFlight }, () => loop(each))));
  const seconds = (performance.now() - startMs) / 1_000;
  for (const connection of connections) connection.close();
  latenciesMs.sort((a, b) => a - b);
  const at = (share: number) => latenciesMs[Math.floor((latenciesMs.length - 1) * share)] ?? 0;
  return { seconds, p50Ms: at(0.5), p99Ms: at(0.99) };
}

function connectionOf({ target, requests, inFlight }: LoadOrder): Connection {
  return "grpcAddress" in target
    ? grpcConnection(target.grpcAddress, requests)
    : jsonConnection(target.httpUrl, requests, inFlight);
}

function grpcConnection(address: string, requests: Requests): Connection {
  const { parent, name, input } = methodOf(requests);
  const path = `/${parent.typeName}/${name}`;
  const make = requestMaker(requests);
  // Without a pool of its own, all clients of a process share one connection.
  const client = new Client(address, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 });
  const metadata = new Metadata();
  const asIs = (bytes: Buffer) => bytes;
  return {
    call: (index) =>
      new Promise((resolve, reject) => {
        const bytes = Buffer.from(toBinary(input, make(index) as never));
        client.makeUnaryRequest(path, asIs, asIs, bytes, metadata, (error, answer) =>
          error === null && answer !== undefined ? resolve(answer) : reject(error),
        );
      }),
    close: () => client.close(),
  };
}

/** HTTP/1.1 has one call in flight a connection: as many sockets as calls in flight. */
function jsonConnection(url: string, requests: Requests, inFlight: number): Connection {
  const { parent, name, input } = methodOf(requests);
  const make = requestMaker(requests);
  const agent = new Agent({ keepAlive: true, maxSockets: inFlight });
  const { hostname: host, port } = new URL(url);
  const options = { host, port, agent, method: "POST", path: `/${parent.typeName}/${name}` };
  return {
    call: (index) =>
      new Promise((resolve, reject) => {
        const body = toJsonString(input, make(index) as never);
        const headers = { "content-type": "application/json", "content-length": Buffer.byteLength(body) };
        const sent = httpRequest({ ...options, headers }, (response) => {
          let text = "";
          response.setEncoding("utf8").on("data", (chunk: string) => {
            text += chunk;
          });
          response.on("end", () =>
            response.statusCode === 200 ? resolve(text) : reject(new Error(`${response.statusCode}: ${text}`)),
          );
        });
        sent.on("error", reject);
        sent.end(body);
      }),
    close: () => agent.destroy(),
  };
}

function lookAt(requests: Requests, answer: Uint8Array | string): void {
  const { output } = methodOf(requests);
  const { task } = typeof answer === "string" ? fromJsonString(output, answer) : fromBinary(output, answer);
  if (task === undefined || task.id === 0) throw new Error("an answer lacks its task");
}

serve(load);
