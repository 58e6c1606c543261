import { TaskService } from "@taskscheduler/proto";
import { grpcClient } from "../setup/clients.js";
import { metricOf } from "../setup/metrics.js";
import type { ApiProcess } from "../setup/processes.js";

/** How others are served, and what the API takes of memory, while something is done to it. */
export interface ApiWatch {
  readonly calls: number;
  readonly failures: readonly string[];
  readonly slowestMs: number;
  /** The most that was seen, beyond what it was at the beginning. */
  readonly growthBytes: number;
}

const PAUSE_MS = 20;
const CALL_MS = 10_000;

/** Calls both ports, each time on a fresh connection, while `work` runs. */
export async function watchApi(api: ApiProcess, work: () => Promise<unknown>): Promise<ApiWatch> {
  const before = await residentBytes(api);
  const failures: string[] = [];
  let calls = 0;
  let slowestMs = 0;
  let mostBytes = before;
  let working = true;
  const timed = async (what: string, call: () => Promise<unknown>): Promise<void> => {
    const startMs = performance.now();
    try {
      await call();
    } catch (error) {
      failures.push(`${what}: ${error}`);
    }
    calls += 1;
    slowestMs = Math.max(slowestMs, performance.now() - startMs);
  };
  const watching = (async () => {
    do {
      await timed("gRPC", () => listOverGrpc(api));
      await timed("HTTP", () => listOverRest(api));
      await timed("metrics", async () => {
        mostBytes = Math.max(mostBytes, await residentBytes(api));
      });
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    } while (working);
  })();
  try {
    await work();
  } finally {
    working = false;
    await watching;
  }
  return { calls, failures, slowestMs, growthBytes: mostBytes - before };
}

export function residentBytes(api: ApiProcess): Promise<number> {
  return metricOf(api, "process_resident_memory_bytes");
}

/** What the API holds when it has just let go of what it need not: the least that is seen of its heap and buffers. */
export async function heldWhile(api: ApiProcess, work: () => Promise<unknown>): Promise<number> {
  const seen: number[] = [];
  let working = true;
  const looking = (async () => {
    while (working) {
      const heap = await metricOf(api, "nodejs_heap_size_used_bytes");
      seen.push(heap + (await metricOf(api, "nodejs_external_memory_bytes")));
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  })();
  await work().finally(() => {
    working = false;
  });
  await looking;
  // What is kept grows from the beginning on: it is nearly all there in the last quarter.
  return Math.min(...seen.slice(Math.floor(0.75 * seen.length)));
}

async function listOverGrpc(api: ApiProcess): Promise<void> {
  const client = grpcClient(TaskService, api.grpcAddress);
  try {
    await client.unary("listTasks", { pageSize: 1 }, { deadline: Date.now() + CALL_MS });
  } finally {
    client.close();
  }
}

async function listOverRest(api: ApiProcess): Promise<void> {
  const response = await fetch(`${api.httpUrl}/api/tasks/?limit=1`, {
    headers: { connection: "close" },
    signal: AbortSignal.timeout(CALL_MS),
  });
  if (response.status !== 200) throw new Error(`status ${response.status}`);
  await response.arrayBuffer();
}
