import { type ApiProcess, type ServiceProcess, startApi, startScheduler } from "../test/setup/processes.js";
import { createTaskClient, type TaskClient } from "../test/setup/task-client.js";
import { createTestDatabase } from "../test/setup/test-database.js";
import type { Bench } from "./workload.js";

/** The built processes, as operators run them, on a database of their own. */
export interface Pair {
  readonly databaseUrl: string;
  readonly api: ApiProcess;
  readonly client: TaskClient;
  /** Another one beside the first, on the same database. Resolves when it is ready. */
  startApi(): Promise<ApiProcess>;
  /** Resolves when it is ready. */
  startScheduler(): Promise<ServiceProcess>;
}

const ENV = { LOG_LEVEL: "warn", NODE_ENV: "production" };

/** Of what a process has logged, when a workload fails. */
const TOLD_OUTPUT = 4_000;

function nodeArgs({ profileDir }: Bench): string[] {
  return profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
}

/** Runs `work` beside an API, and ends all that it started. */
export async function withApi<T>(bench: Bench, work: (pair: Pair) => Promise<T>): Promise<T> {
  const database = await createTestDatabase(bench.serverUrl);
  const started: ServiceProcess[] = [];
  try {
    const start = async <P extends ServiceProcess>(starting: Promise<P>): Promise<P> => {
      const service = await starting;
      started.push(service);
      await service.ready();
      return service;
    };
    const common = { env: ENV, nodeArgs: nodeArgs(bench) };
    const startOne = () => start(startApi({ ...common, databaseUrl: database.url }));
    const api = await startOne();
    const client = createTaskClient(api.grpcAddress);
    const pair: Pair = {
      databaseUrl: database.url,
      api,
      client,
      startApi: startOne,
      startScheduler: () => start(startScheduler({ ...common, apiAddress: api.grpcAddress })),
    };
    return await work(pair)
      .catch((error: unknown) => {
        for (const each of started) bench.say(each.output().slice(-TOLD_OUTPUT));
        throw error;
      })
      .finally(() => client.close());
  } finally {
    for (const each of started.reverse()) await each.stop();
    await database.drop();
  }
}
