import { type ApiProcess, type ServiceProcess, startApi, startScheduler } from "../test/setup/processes.js";
import { createTaskClient, type TaskClient } from "../test/setup/task-client.js";
import { createTestDatabase } from "../test/setup/test-database.js";
import type { Bench } from "./workload.js";

/** The built processes, as operators run them, on a database of their own. */
export interface Pair {
  readonly databaseUrl: string;
  readonly api: ApiProcess;
  readonly client: TaskClient;
  startScheduler(): Promise<ServiceProcess>;
}

const ENV = { LOG_LEVEL: "warn", NODE_ENV: "production" };

function nodeArgs({ profileDir }: Bench): string[] {
  return profileDir === undefined ? [] : ["--cpu-prof", `--cpu-prof-dir=${profileDir}`];
}

/** Runs `work` beside an API, and ends all that it started. */
export async function withApi<T>(bench: Bench, work: (pair: Pair) => Promise<T>): Promise<T> {
  const database = await createTestDatabase(bench.serverUrl);
  const started: ServiceProcess[] = [];
  try {
    const api = await startApi({ databaseUrl: database.url, env: ENV, nodeArgs: nodeArgs(bench) });
    started.push(api);
    await api.ready();
    const client = createTaskClient(api.grpcAddress);
    const pair: Pair = {
      databaseUrl: database.url,
      api,
      client,
      async startScheduler() {
        const scheduler = await startScheduler({ apiAddress: api.grpcAddress, env: ENV, nodeArgs: nodeArgs(bench) });
        started.push(scheduler);
        await scheduler.ready();
        return scheduler;
      },
    };
    return await work(pair).finally(() => client.close());
  } finally {
    for (const each of started.reverse()) await each.stop();
    await database.drop();
  }
}
