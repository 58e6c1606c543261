import { readFileSync } from "node:fs";
import { join } from "node:path";
import { killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

const page = readFileSync(join(__dirname, "..", "..", "docs", "operations.md"), "utf8");
let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await killAll();
  await database.drop();
});

/** The metrics of ours that a process tells, with their types. */
async function told(httpUrl: string): Promise<string[]> {
  const text = await (await fetch(`${httpUrl}/metrics`)).text();
  return [...text.matchAll(/^# TYPE (taskscheduler_\S+) (\S+)$/gm)].map(([, name, type]) => `${name} ${type}`);
}

test("docs/operations.md lists exactly the metrics that both processes tell, with their types", async () => {
  const api = await startApi({ databaseUrl: database.url });
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress });
  await Promise.all([api.ready(), scheduler.ready()]);
  const listed = [...page.matchAll(/^\| `(taskscheduler_\S+)` \| (\S+) \|/gm)].map(
    ([, name, type]) => `${name} ${type}`,
  );
  const actual = [...(await told(api.httpUrl)), ...(await told(scheduler.httpUrl))];
  expect(listed.sort()).toEqual(actual.sort());
});
