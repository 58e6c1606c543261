import { Queue, Worker } from "bullmq";
import { type Peer, servePeer } from "./peer.js";

const QUEUE = "bench";
const STORE_BATCH = 1_000;

/**
 * As the pages "Concurrency" and "Parallelism and concurrency" have it: one worker, whose jobs wait for nothing, with a
 * concurrency so high that there is always a command on the way to Redis. More than 100 gains nothing.
 */
const CONCURRENCY = 100;

async function create(url: string): Promise<Peer> {
  const { hostname: host, port, password } = new URL(url);
  const connection = { host, port: Number(port), password };
  const queue = new Queue(QUEUE, { connection });
  return {
    async store(duesMs) {
      for (let from = 0; from < duesMs.length; from += STORE_BATCH) {
        const batch = duesMs.slice(from, from + STORE_BATCH);
        const timestamp = Date.now();
        await queue.addBulk(
          batch.map((dueMs, offset) => ({
            name: "reminder",
            data: { index: from + offset },
            opts: { timestamp, delay: dueMs - timestamp },
          })),
        );
      }
    },
    async work(onStart) {
      const run = async ({ data }: { data: { index: number } }): Promise<void> => onStart(data.index);
      const worker = new Worker(QUEUE, run, { connection, concurrency: CONCURRENCY });
      worker.on("error", (error) => console.error(error));
      await worker.waitUntilReady();
    },
    countDone: () => queue.getCompletedCount(),
  };
}

servePeer(create);
