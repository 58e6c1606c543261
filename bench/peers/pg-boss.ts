import { setTimeout as delay } from "node:timers/promises";
import { PgBoss } from "pg-boss";
import { type Peer, servePeer } from "./peer.js";
import { openStore } from "./postgres-store.js";

const QUEUE = "reminder";
const STORE_BATCH = 5_000;

/**
 * As its page "Workers" has it for many small jobs: batches, and the next one at once while they come back full; each job
 * is settled by its own result, as a batch would otherwise succeed or fail as one. A worker looks every 500 ms, which is
 * the shortest that it allows: so 25 of them look by turns, every 20 ms.
 */
const WORKERS = 25;
const POLLING_MS = 500;
const OPTIONS = {
  batchSize: 200,
  pollingIntervalSeconds: POLLING_MS / 1_000,
  burstWhenBatchFull: true,
  perJobResults: true as const,
};

async function create(url: string): Promise<Peer> {
  const store = openStore(url);
  const boss = new PgBoss({ connectionString: url, max: WORKERS + 2 });
  boss.on("error", (error: unknown) => console.error(error));
  await boss.start();
  await boss.createQueue(QUEUE);
  return {
    async store(duesMs) {
      for (let from = 0; from < duesMs.length; from += STORE_BATCH) {
        const batch = duesMs.slice(from, from + STORE_BATCH);
        const jobs = batch.map((dueMs, offset) => ({ data: { index: from + offset }, startAfter: new Date(dueMs) }));
        await boss.insert(QUEUE, jobs);
      }
      await store.settle();
    },
    async work(onStart) {
      for (let worker = 0; worker < WORKERS; worker += 1) {
        await boss.work<{ index: number }>(QUEUE, OPTIONS, async (jobs) =>
          jobs.map(({ id, data }) => {
            onStart(data.index);
            return { id, status: "completed" as const };
          }),
        );
        await delay(POLLING_MS / WORKERS);
      }
    },
    countDone: () => store.count(`SELECT count(*) FROM pgboss.job WHERE state = 'completed'`),
  };
}

servePeer(create);
