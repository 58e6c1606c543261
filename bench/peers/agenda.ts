import { PostgresBackend } from "@agendajs/postgres-backend";
import { Agenda } from "agenda";
import { type Peer, servePeer } from "./peer.js";
import { openStore } from "./postgres-store.js";

const JOB = "reminder";

/**
 * Agenda locks jobs one by one, and starts none before all that it may lock are: with no `defaultLockLimit`, which is its
 * default, not one of 20,000 had run a minute after they were due. Frequent looks that lock few serve it best. No
 * process listens for another's jobs, so its notifications, two for each run, are off.
 */
const OPTIONS = { processEvery: 20, maxConcurrency: 20, defaultConcurrency: 20, defaultLockLimit: 20 };
const CONNECTIONS = 20;

async function create(url: string): Promise<Peer> {
  const store = openStore(url);
  const poolConfig = { connectionString: url, max: CONNECTIONS };
  const agenda = new Agenda({ ...OPTIONS, backend: new PostgresBackend({ poolConfig, disableNotifications: true }) });
  agenda.on("error", (error: unknown) => console.error(error));
  await agenda.ready;
  return {
    // By one statement, as it has no call for many: what its `save` stores, column for column.
    async store(duesMs) {
      await store.pool.query(
        `INSERT INTO agenda_jobs (name, priority, next_run_at, type, data)
         SELECT $1, 0, to_timestamp(due / 1000.0), 'normal', jsonb_build_object('index', ordinality - 1)
         FROM unnest($2::double precision[]) WITH ORDINALITY AS jobs (due, ordinality)`,
        [JOB, duesMs],
      );
      await store.settle();
    },
    async work(onStart) {
      agenda.define<{ index: number }>(JOB, async ({ attrs }) => onStart(attrs.data.index));
      await agenda.start();
    },
    countDone: () => store.count("SELECT count(*) FROM agenda_jobs WHERE last_finished_at IS NOT NULL"),
  };
}

servePeer(create);
