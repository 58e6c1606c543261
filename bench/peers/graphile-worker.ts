import { Logger, makeWorkerUtils, run } from "graphile-worker";
import { type Peer, servePeer } from "./peer.js";
import { openStore } from "./postgres-store.js";

const TASK = "reminder";
const STORE_BATCH = 5_000;

/**
 * As its page "Performance" has it: 24 jobs at a time, 500 fetched at once, completions batched. That page leaves the
 * interval between two looks for due jobs at its default of 2 s, which would be the lateness; shorter than 10 ms
 * lowers its p99 no further.
 */
const OPTIONS = {
  concurrentJobs: 24,
  maxPoolSize: 25,
  localQueue: { size: 500 },
  completeJobBatchDelay: 0,
  failJobBatchDelay: 0,
  pollInterval: 10,
};

const silent = new Logger(() => () => {});

async function create(url: string): Promise<Peer> {
  const store = openStore(url);
  let jobs = 0;
  return {
    async store(duesMs) {
      jobs = duesMs.length;
      const utils = await makeWorkerUtils({ pgPool: store.pool, logger: silent });
      await utils.migrate();
      for (let from = 0; from < duesMs.length; from += STORE_BATCH) {
        const batch = duesMs.slice(from, from + STORE_BATCH);
        await utils.addJobs(
          batch.map((dueMs, offset) => ({
            identifier: TASK,
            payload: { index: from + offset },
            runAt: new Date(dueMs),
          })),
        );
      }
      await utils.release();
      await store.settle();
    },
    async work(onStart) {
      await run({
        preset: { worker: { ...OPTIONS, connectionString: url, logger: silent } },
        taskList: { [TASK]: (payload) => onStart((payload as { index: number }).index) },
        noHandleSignals: true,
      });
    },
    // A job that is done is deleted.
    countDone: async () => jobs - (await store.count("SELECT count(*) FROM graphile_worker._private_jobs")),
  };
}

servePeer(create);
