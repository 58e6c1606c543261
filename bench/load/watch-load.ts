import { toBinary } from "@bufbuild/protobuf";
import { Client, type ClientReadableStream, credentials, Metadata } from "@grpc/grpc-js";
import { TaskService, WatchTasksRequestSchema } from "@taskscheduler/proto";
import { serve } from "../child.js";
import { markIn } from "./marks.js";

/** So many watchers of everything, from here on; each notes when each marked change arrives. */
export type WatchOrder =
  | {
      readonly kind: "open";
      readonly grpcAddress: string;
      readonly watchers: number;
      readonly resumeToken: string;
      readonly changes: number;
    }
  | { readonly kind: "collect" };

/** Of each watcher, by the changes' numbers: epoch milliseconds. */
export type WatchAnswer = readonly Float64Array[];

const CONNECTIONS = 4;
const COLLECT_MS = 120_000;

let arrivals: Float64Array[] = [];
let arrived = 0;
let expected = 0;
let streams: ClientReadableStream<Buffer>[] = [];
let clients: Client[] = [];

async function watch(order: WatchOrder): Promise<WatchAnswer> {
  if (order.kind === "open") return open(order);
  const endMs = Date.now() + COLLECT_MS;
  while (arrived < expected && Date.now() < endMs) await new Promise((resolve) => setTimeout(resolve, 20));
  for (const stream of streams) stream.cancel();
  for (const client of clients) client.close();
  if (arrived < expected) throw new Error(`${arrived} of ${expected} events arrived`);
  return arrivals;
}

async function open({
  grpcAddress,
  watchers,
  resumeToken,
  changes,
}: WatchOrder & { kind: "open" }): Promise<WatchAnswer> {
  arrived = 0;
  expected = watchers * changes;
  arrivals = Array.from({ length: watchers }, () => new Float64Array(changes));
  clients = Array.from(
    { length: Math.min(watchers, CONNECTIONS) },
    () => new Client(grpcAddress, credentials.createInsecure(), { "grpc.use_local_subchannel_pool": 1 }),
  );
  const { name, input } = TaskService.method.watchTasks;
  const request = toBinary(WatchTasksRequestSchema, {
    $typeName: input.typeName,
    resumeToken,
    labelFilter: {},
  });
  const asIs = (bytes: Buffer) => bytes;
  streams = arrivals.map((times, index) => {
    const client = clients[index % clients.length] as Client;
    const path = `/${TaskService.typeName}/${name}`;
    const stream = client.makeServerStreamRequest(path, asIs, asIs, Buffer.from(request), new Metadata());
    stream.on("data", (bytes: Buffer) => note(times, bytes));
    stream.on("error", () => undefined);
    return stream;
  });
  return [];
}

function note(times: Float64Array, bytes: Buffer): void {
  const index = markIn(bytes);
  if (index === undefined) return;
  if (times[index] !== 0) throw new Error(`change ${index} came twice`);
  times[index] = performance.timeOrigin + performance.now();
  arrived += 1;
}

serve(watch);
