import { type Child, startChild } from "../child.js";
import type { Figure } from "../figure.js";
import type { EchoPorts } from "../floors/echo-server.js";
import type { Requests } from "../load/requests.js";
import type { LoadOrder, LoadResult } from "../load/unary-load.js";
import { type Pair, withApi } from "../pair.js";
import { cpuMs } from "../process-usage.js";
import { alternate, median } from "../rounds.js";
import type { Bench, Workload } from "../workload.js";

const TASKS = 10_000;

interface Measured {
  readonly cpuUsPerCall: number;
  readonly callsPerSecond: number;
  readonly p99Ms: number;
}

interface UnaryWorkload {
  readonly name: string;
  readonly protocol: "grpc" | "json";
  readonly goal: number;
  readonly load: Pick<LoadOrder, "connections" | "inFlight" | "calls">;
  /** Of round `round`. */
  readonly requests: (pair: Pair, round: number) => Requests;
}

/**
 * A client in Node takes more time than the server: so what is compared is the server's CPU time a call, the floor's over
 * ours, and how many calls a second came of it is printed beside it.
 */
function unaryWorkload({ name, protocol, goal, load, requests }: UnaryWorkload): Workload {
  return {
    name,
    run: (bench) =>
      withApi(bench, async (pair) => {
        await storeTasks(pair, bench);
        const client = startChild<LoadOrder, LoadResult>("load/unary-load.ts");
        const echo = startChild<null, EchoPorts>("floors/echo-server.ts");
        try {
          const ports = await echo.ask(null);
          let round = 0;
          const { ours, floor } = await alternate({
            ours: () => measure(client, pair.api.pid, targetOf(protocol, pair.api), load, requests(pair, round++)),
            floor: () => measure(client, echo.pid, targetOf(protocol, ports), load, requests(pair, round++)),
          });
          return figures(name, goal, ours, floor);
        } finally {
          await client.stop();
          await echo.stop();
        }
      }),
  };
}

function targetOf(protocol: "grpc" | "json", { grpcAddress, httpUrl }: EchoPorts): LoadOrder["target"] {
  return protocol === "grpc" ? { grpcAddress } : { httpUrl };
}

async function storeTasks({ client }: Pair, { say }: Bench): Promise<void> {
  say(`storing ${TASKS} tasks`);
  const scheduledTimeMs = Date.now() + 365 * 86_400_000;
  await client.createAll(Array.from({ length: TASKS }, (_, index) => ({ name: `stored ${index}`, scheduledTimeMs })));
}

async function measure(
  client: Child<LoadOrder, LoadResult>,
  pid: number,
  target: LoadOrder["target"],
  load: UnaryWorkload["load"],
  requests: Requests,
): Promise<Measured> {
  const beforeMs = cpuMs(pid);
  const { seconds, p99Ms } = await client.ask({ ...load, target, requests });
  return {
    cpuUsPerCall: ((cpuMs(pid) - beforeMs) * 1_000) / load.calls,
    callsPerSecond: load.calls / seconds,
    p99Ms,
  };
}

function figures(name: string, goal: number, ours: readonly Measured[], floor: readonly Measured[]): Figure[] {
  const of = (all: readonly Measured[], key: keyof Measured) => median(all.map((each) => each[key]));
  const pairOf = (key: keyof Measured) => ({ value: of(ours, key), floor: of(floor, key) });
  const cpu = pairOf("cpuUsPerCall");
  const ratio = cpu.floor / cpu.value;
  const calls = pairOf("callsPerSecond");
  return [
    { name, ...cpu, unit: "µs of the server's CPU a call", ratio, goal: `>= ${goal}`, met: ratio >= goal },
    { name: `${name} throughput`, ...calls, unit: "calls/s", ratio: calls.value / calls.floor },
    { name: `${name} p99`, ...pairOf("p99Ms"), unit: "ms" },
  ];
}

const reading = (): Requests => ({ kind: "getTask", firstId: 1, lastId: TASKS });

export const get = unaryWorkload({
  name: "get",
  protocol: "grpc",
  goal: 0.6,
  load: { connections: 4, inFlight: 32, calls: 20_000 },
  requests: reading,
});

export const getJson = unaryWorkload({
  name: "get-json",
  protocol: "json",
  goal: 0.7,
  load: { connections: 4, inFlight: 32, calls: 10_000 },
  requests: reading,
});

export const createTask = unaryWorkload({
  name: "create",
  protocol: "grpc",
  goal: 0.6,
  load: { connections: 4, inFlight: 32, calls: 10_000 },
  requests: (_, round) => ({ kind: "createTask", prefix: `round ${round}` }),
});
