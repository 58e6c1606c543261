import { setTimeout as delay } from "node:timers/promises";
import { build } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { Fault, runMain } from "./fault.mjs";
import { findOrStartMariaDb } from "./mariadb.mjs";
import { pairAddresses, startPair } from "./pair.mjs";
import { portFault } from "./ports.mjs";
import { waitFor } from "./wait.mjs";

const readyTimeoutMs = 60_000;
/** npm passes on a signal that the terminal has sent to everybody: what comes this soon after the first is the same one. */
const sameSignalMs = 2_000;
/** A start that was killed leaves its processes to their guardians, and these need a moment. */
const portsTimeoutMs = 3_000;

const log = (line) => console.error(line);

async function main() {
  const stopRequest = listenForSignals();
  const addresses = pairAddresses(process.env);
  await checkPorts(addresses, stopRequest.signal);
  await ensureDependencies({ log });
  await build();
  if (stopRequest.signal.aborted) return 0;
  const database = await findOrStartMariaDb({ purpose: "start", log });
  try {
    restartWhenItDies(database.server, stopRequest.signal);
    return await runPair(database.url, stopRequest);
  } finally {
    stopRequest.abort();
    await database.stop();
  }
}

async function runPair(databaseUrl, stopRequest) {
  if (stopRequest.signal.aborted) return 0;
  const pair = startPair({ env: process.env, databaseUrl, log });
  stopRequest.onSecond(() => pair.kill());
  const stopped = new Promise((resolve) =>
    stopRequest.signal.addEventListener("abort", () => resolve(0), { once: true }),
  );
  const early = Promise.race([pair.failed, stopped]);
  const outcome = await Promise.race([
    early,
    pair.ready(readyTimeoutMs, stopRequest.signal).then((ready) => (ready ? "ready" : "late")),
  ]);
  if (outcome === "ready") announce(pair.addresses);
  if (outcome === "late" && !stopRequest.signal.aborted)
    log(`The pair did not become ready within ${readyTimeoutMs / 1000} s; see its log above.`);
  const exitCode =
    outcome === "ready" ? await early : outcome === "late" ? Number(!stopRequest.signal.aborted) : outcome;
  log("Stopping …");
  const codes = await pair.stop();
  for (const [name, code] of Object.entries(codes)) {
    if (code === null) log(`The ${name} did not end in time and was killed.`);
  }
  return exitCode || (Object.values(codes).includes(null) ? 1 : 0);
}

/** @returns {AbortController & { onSecond: (hurry: () => void) => void }} aborted at the first signal; the second one means now */
function listenForSignals() {
  const request = new AbortController();
  let hurry = () => process.exit(1);
  let firstAt;
  const receive = () => {
    firstAt ??= performance.now();
    if (request.signal.aborted && performance.now() - firstAt > sameSignalMs) hurry();
    request.abort();
  };
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP", "SIGQUIT"]) process.on(signal, receive);
  whenNpmDies(receive);
  return Object.assign(request, {
    onSecond: (action) => {
      hurry = action;
    },
  });
}

/** npm passes signals on, but cannot pass on a kill -9; then this process has another parent, and nobody who would stop it. */
function whenNpmDies(stop) {
  const parent = process.ppid;
  if (process.env.npm_lifecycle_event !== "start") return;
  const timer = setInterval(() => {
    if (process.ppid === parent) return;
    clearInterval(timer);
    stop();
  }, 1000);
  timer.unref();
}

/** All at once: a second `npm start` finds every port of the first one taken. */
async function checkPorts({ host, ports }, signal) {
  const entries = Object.entries(ports);
  const faults = await Promise.all(entries.map(([, port]) => lastingPortFault(port, host, signal)));
  const messages = entries.flatMap(([variable, port], index) => {
    const fault = faults[index];
    return fault ? [portMessage(host, port, variable, fault)] : [];
  });
  if (messages.length === 0) return;
  const taken = entries.filter((_, index) => faults[index] === "EADDRINUSE");
  const others = taken.map(([variable, port]) => `${variable}=${port + 1000}`).join(" ");
  const advice = others && `End what listens there (another npm start?), or choose others: ${others} npm start`;
  throw new Fault([...messages, ...(advice ? [advice] : [])].join("\n"));
}

/** A port of processes that have just ended is free in a moment. */
async function lastingPortFault(port, host, signal) {
  let fault;
  const isSettled = async () => {
    fault = await portFault(port, host);
    return fault !== "EADDRINUSE";
  };
  await waitFor(isSettled, { timeoutMs: portsTimeoutMs, intervalMs: 200, signal });
  return fault;
}

function portMessage(host, port, variable, fault) {
  if (fault === "EADDRINUSE") return `Port ${port} on ${host} is taken (${variable}).`;
  return `Port ${port} on ${host} cannot be bound: ${fault} (${variable}, HOST).`;
}

async function restartWhenItDies(server, signal) {
  while (server && !signal.aborted) {
    const { code, signal: by } = await server.exited;
    if (signal.aborted) return;
    log(`MariaDB ended by itself (${by ?? `exit code ${code}`}); it is started again.`);
    await delay(500);
    if (!signal.aborted) await server.start().catch((error) => log(error.message));
  }
}

function announce({ apiUrl, grpcAddress, schedulerUrl }) {
  const soon = process.platform === "darwin" ? "$(date -u -v+5S +%FT%TZ)" : "$(date -u -d '+5 seconds' +%FT%TZ)";
  const json = "-H 'content-type: application/json'";
  console.log(`
TaskScheduler is ready.
  REST, Connect, gRPC-Web   ${apiUrl}      (documentation: ${apiUrl}/redoc)
  gRPC                      ${grpcAddress}
  scheduler's probes        ${schedulerUrl}

Create a task that is due in 5 seconds, by REST:
  curl -s ${apiUrl}/api/tasks/ ${json} -d "{\\"name\\":\\"hello-$(date +%s)\\",\\"scheduled_time\\":\\"${soon}\\"}"
Create a daily one by gRPC, from this folder:
  npx buf curl --protocol grpc --http2-prior-knowledge -d "{\\"task\\":{\\"name\\":\\"daily-$(date +%s)\\",\\"scheduledTime\\":\\"${soon}\\",\\"recurrence\\":\\"RECURRENCE_DAILY\\"}}" http://${grpcAddress}/taskscheduler.v1.TaskService/CreateTask
See what ran:
  curl -s ${apiUrl}/taskscheduler.v1.ExecutionService/ListExecutions ${json} -d '{}'

Ctrl-C stops it.`);
}

await runMain(main);
// What is left open (an idle connection of a probe) is no reason to stay.
process.exit();
