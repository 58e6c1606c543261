import { build } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { Fault, runMain } from "./fault.mjs";
import { ensureMariaDbInstalled, startPrivateServer } from "./mariadb.mjs";
import { fetchLtsNode } from "./node-lts.mjs";
import { startPair } from "./pair.mjs";
import { freePort } from "./ports.mjs";
import { mustRun } from "./run.mjs";
import { waitFor } from "./wait.mjs";

const readyTimeoutMs = 60_000;
const dueInMs = 2_000;
const ranTimeoutMs = 20_000;

/** The pair as it would be deployed, on the current LTS: one task, by REST, runs on time and is seen by Connect; both end cleanly. */
async function main() {
  await ensureDependencies();
  await build();
  const node = (await fetchLtsNode()) ?? process.execPath;
  const version = (await mustRun(node, ["--version"], { capture: true })).trim();
  await ensureMariaDbInstalled();
  // Never on DATABASE_URL: what is there is somebody's.
  const database = await startPrivateServer();
  try {
    await smoke(node, database.url);
  } finally {
    await database.stop();
  }
  console.log(`Smoke on Node.js ${version}: a task ran, both processes ended with 0.`);
}

async function smoke(node, databaseUrl) {
  const ports = { HTTP_PORT: await freePort(), GRPC_PORT: await freePort(), SCHEDULER_HTTP_PORT: await freePort() };
  const env = { ...process.env, ...ports, HOST: "127.0.0.1" };
  const pair = startPair({ env, databaseUrl, node, log: (line) => console.error(line) });
  let codes;
  try {
    const refused = pair.failed.then((code) => {
      throw new Fault(`The pair refused its configuration (exit code ${code}).`);
    });
    if (!(await Promise.race([pair.ready(readyTimeoutMs), refused])))
      throw new Fault(`The pair was not ready within ${readyTimeoutMs / 1000} s.`);
    await runOneTask(pair.addresses.apiUrl);
  } finally {
    codes = await pair.stop();
  }
  if (codes.api !== 0 || codes.scheduler !== 0)
    throw new Fault(`The pair did not end with 0: ${JSON.stringify(codes)}.`);
}

async function runOneTask(apiUrl) {
  const scheduledTime = new Date(Date.now() + dueInMs).toISOString();
  const task = await post(`${apiUrl}/api/tasks/`, { name: `smoke-${Date.now()}`, scheduled_time: scheduledTime });
  const listUrl = `${apiUrl}/taskscheduler.v1.ExecutionService/ListExecutions`;
  const succeeded = async () => {
    const { executions = [] } = await post(listUrl, { taskId: task.id });
    return executions.some(({ state }) => state === "EXECUTION_STATE_SUCCEEDED");
  };
  if (!(await waitFor(succeeded, { timeoutMs: ranTimeoutMs, intervalMs: 200 }))) {
    throw new Fault(
      `The task did not run within ${ranTimeoutMs / 1000} s: ${JSON.stringify(await post(listUrl, { taskId: task.id }))}`,
    );
  }
}

async function post(url, body) {
  const headers = { "content-type": "application/json" };
  const response = await fetch(url, {
    method: "POST",
    headers,
    body: JSON.stringify(body),
    signal: AbortSignal.timeout(10_000),
  });
  const text = await response.text();
  if (!response.ok) throw new Fault(`${url}: ${response.status} ${text}`);
  return JSON.parse(text);
}

await runMain(main);
process.exit();
