import { setTimeout as delay } from "node:timers/promises";
import { serve } from "../child.js";
import { quantile } from "../rounds.js";

/** A scheduler of another project, on a server that holds nothing else. Its jobs do nothing. It ends with its process. */
export interface Peer {
  /** Stores one-shot jobs that are due at these instants; the payload of each is its index. */
  store(duesMs: readonly number[]): Promise<void>;
  /** Starts the workers. `onStart` is called with a job's payload as the first thing of its run. */
  work(onStart: (index: number) => void): Promise<void>;
  /** How many jobs the store holds as done. */
  countDone(): Promise<number>;
}

export interface PeerOrder {
  /** Of the server that the peer's store is on. */
  readonly url: string;
  readonly jobs: number;
  /** From one job's due instant to that of the next; 0: all at one instant. */
  readonly spacingMs: number;
  /** From now to the first due instant. The jobs have to be stored before, and the workers running. */
  readonly leadMs: number;
  /** From the first due instant: what is not done then is given up. */
  readonly limitMs: number;
}

export interface PeerResult {
  /** Recorded as done at the end: all, or as many as it came to within the limit. */
  readonly done: number;
  /** From the first due instant until the last was recorded as done, or the limit. */
  readonly seconds: number;
  /** A run's start less its due instant; of what was given up, the end less its due instant, which is the least it can be. */
  readonly p50Ms: number;
  readonly p99Ms: number;
}

/** The workers are up so long before the first due instant. */
const SETTLE_MS = 1_000;
const POLL_MS = 5;

/** In the child: measures the peer that `create` makes of a server's URL. */
export function servePeer(create: (url: string) => Promise<Peer>): void {
  serve((order: PeerOrder) => measure(create, order));
}

/** @throws where storing the jobs takes longer than the lead */
async function measure(create: (url: string) => Promise<Peer>, order: PeerOrder): Promise<PeerResult> {
  const firstMs = Date.now() + order.leadMs;
  const peer = await create(order.url);
  const duesMs = Array.from({ length: order.jobs }, (_, index) => firstMs + index * order.spacingMs);
  await peer.store(duesMs);
  const startsMs = new Map<number, number>();
  await peer.work((index) => {
    if (!startsMs.has(index)) startsMs.set(index, Date.now());
  });
  if (Date.now() + SETTLE_MS > firstMs) throw new Error(`the jobs were not stored within ${order.leadMs} ms`);
  const done = await untilDone(peer, () => startsMs.size, order.jobs, firstMs + order.limitMs);
  const endMs = Date.now();
  const latenessMs = duesMs.map((dueMs, index) => (startsMs.get(index) ?? endMs) - dueMs);
  if (latenessMs.some((each) => each < 0)) throw new Error("something ran before its time");
  return {
    done,
    seconds: (endMs - firstMs) / 1_000,
    p50Ms: quantile(latenessMs, 0.5),
    p99Ms: quantile(latenessMs, 0.99),
  };
}

/** The store is asked only once every job has started: to ask costs the peer. */
async function untilDone(peer: Peer, started: () => number, jobs: number, limitMs: number): Promise<number> {
  while (started() < jobs && Date.now() < limitMs) await delay(POLL_MS);
  let done = await peer.countDone();
  while (done < jobs && Date.now() < limitMs) {
    await delay(POLL_MS);
    done = await peer.countDone();
  }
  return done;
}
