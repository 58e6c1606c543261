import { mkdtempSync, readdirSync, readFileSync, readlinkSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { ExecutionState } from "@taskscheduler/proto";
import { eventually } from "../setup/eventually.js";
import { metricOf } from "../setup/metrics.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { type Received, type Receiver, startReceiver, status } from "../setup/receiver.js";
import { createTaskClient, type TaskClient } from "../setup/task-client.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** Signals in the middle of a webhook: the receiver is called once, whichever signal is sent. */

const LEASE_MS = 1_500;
/** Signals whose sender does not want the process to end. */
const HARMLESS: readonly NodeJS.Signals[] = [
  ...(["SIGHUP", "SIGUSR1", "SIGUSR2", "SIGPIPE", "SIGALRM", "SIGVTALRM", "SIGPROF", "SIGIO", "SIGSTKFLT"] as const),
  ...(["SIGXFSZ", "SIGWINCH", "SIGURG", "SIGCHLD", "SIGCONT"] as const),
];
const STOPPING: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT", "SIGPWR", "SIGXCPU"];

const folder = mkdtempSync(join(tmpdir(), "signals-"));
const secretsFile = join(folder, "secrets");
let database: TestDatabase;
let api: ApiProcess;
let client: TaskClient;
let receiver: Receiver;
let names = 0;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url, env: { LEASE_MS: String(LEASE_MS) } });
  await api.ready();
  client = createTaskClient(api.grpcAddress);
  receiver = await startReceiver();
});

afterAll(async () => {
  client?.close();
  await killAll();
  await receiver?.close();
  await database?.drop();
  rmSync(folder, { recursive: true });
});

async function launchScheduler(env: Readonly<Record<string, string>> = {}): Promise<ServiceProcess> {
  const allowed = { TARGET_ALLOW_CIDRS: "127.0.0.0/8", ...env };
  const scheduler = await startScheduler({ apiAddress: api.grpcAddress, env: allowed });
  await scheduler.ready();
  return scheduler;
}

/** A task that calls a path of the receiver in a moment. */
async function create(path: string, dueMs = Date.now() + 300): Promise<number> {
  const { task } = await client.tasks.unary("createTask", {
    task: {
      ...{ name: `signals ${++names}`, scheduledTime: timestampFromMs(dueMs) },
      webhook: { url: receiver.url + path },
    },
  });
  return task!.id;
}

/** A webhook that has arrived and is answered when the test says so. */
async function beginWebhook(path: string) {
  let answer = (): void => undefined;
  receiver.answer(path, (response) => {
    answer = () => void response.writeHead(200).end();
  });
  const taskId = await create(path);
  await eventually("the receiver is called", () => receiver.requestsOf(path).length === 1);
  return {
    async end(): Promise<void> {
      answer();
      const [execution, ...others] = await eventually("it has succeeded", async () => {
        const { executions } = await client.executions.unary("listExecutions", { taskId });
        return executions[0]?.state === ExecutionState.SUCCEEDED && executions;
      });
      expect(others).toEqual([]);
      expect(execution!.attempts).toHaveLength(1);
      expect(receiver.requestsOf(path)).toHaveLength(1);
    },
  };
}

/** How many sockets a process listens on. Linux tells it by inode. */
function listenersOf({ pid }: ServiceProcess): number {
  const own = new Set(
    readdirSync(`/proc/${pid}/fd`).map((fd) => {
      try {
        return /^socket:\[(\d+)\]$/.exec(readlinkSync(`/proc/${pid}/fd/${fd}`))?.[1];
      } catch {
        return undefined;
      }
    }),
  );
  const rows = [`/proc/${pid}/net/tcp`, `/proc/${pid}/net/tcp6`].flatMap((path) =>
    readFileSync(path, "utf8").split("\n").slice(1),
  );
  const isListening = (row: string[]): boolean => row[3] === "0A" && own.has(row[9]);
  return rows.map((row) => row.trim().split(/\s+/)).filter(isListening).length;
}

const times = (text: string, part: string): number => text.split(part).length - 1;

it("what ends no process leaves both at work, and opens no debugger", async () => {
  const scheduler = await launchScheduler();
  const webhook = await beginWebhook("/harmless");
  const services = [api, scheduler];
  const listeners = services.map(listenersOf);
  expect(listeners).toEqual([2, 1]);
  for (const signal of HARMLESS) for (const service of services) service.signal(signal);
  for (const service of services) {
    await eventually("SIGHUP was answered", () => service.output().includes("reload ended"));
    await eventually("the others were ignored", () => times(service.output(), "signal ignored") === 7);
    expect((await fetch(`${service.httpUrl}/readyz`)).status).toBe(200);
    expect(service.output()).not.toMatch(/debugger/i);
  }
  expect(services.map(listenersOf)).toEqual(listeners);
  await webhook.end();
  expect(await scheduler.stop()).toBe(0);
});

it.each(STOPPING)("%s ends a scheduler cleanly, with 0", async (signal) => {
  const scheduler = await launchScheduler();
  const webhook = await beginWebhook(`/${signal}`);
  scheduler.signal(signal);
  await eventually("it stops", () => scheduler.output().includes(`"signal":"${signal}","msg":"stopping"`));
  // A limit of CPU time says so each second, and a reload may come late.
  for (const late of ["SIGXCPU", "SIGHUP"] as const) scheduler.signal(late);
  await webhook.end();
  expect(await scheduler.exited).toBe(0);
});

it("what ends a scheduler cleanly ends an API cleanly", async () => {
  const apis = await Promise.all(STOPPING.map(() => startApi({ databaseUrl: database.url })));
  await Promise.all(apis.map((each) => each.ready()));
  for (const [index, signal] of STOPPING.entries()) apis[index]!.signal(signal);
  expect(await Promise.all(apis.map(({ exited }) => exited))).toEqual(STOPPING.map(() => 0));
});

describe("while the modules load", () => {
  /** Runs as soon as the process listens to signals, before it does anything else. */
  const whenListening = (code: string) => [
    "--import",
    `data:text/javascript,${encodeURIComponent(`process.on("newListener", (event) => event === "SIGPROF" && queueMicrotask(() => { ${code} }));`)}`,
  ];
  const send = (signal: NodeJS.Signals) => `process.kill(process.pid, "${signal}");`;

  it.each(STOPPING)("%s ends it with 0", async (signal) => {
    const service = await startApi({ databaseUrl: database.url, nodeArgs: whenListening(send(signal)) });
    expect(await service.exited).toBe(0);
  });

  it("nothing else ends it, and a reload comes after the start", async () => {
    const nodeArgs = whenListening(HARMLESS.map(send).join(""));
    const service = await startScheduler({ apiAddress: api.grpcAddress, nodeArgs });
    await service.ready();
    await eventually("it was reloaded", () => times(service.output(), "reload ended") === 1);
    expect(listenersOf(service)).toBe(1);
    expect(await service.stop()).toBe(0);
  });

  it("a SIGUSR1 that comes before them leaves no debugger open", async () => {
    const nodeArgs = ["--import", `data:text/javascript,${encodeURIComponent(send("SIGUSR1"))}`];
    const service = await startScheduler({ apiAddress: api.grpcAddress, nodeArgs });
    await service.ready();
    expect(listenersOf(service)).toBe(1);
    expect(await service.stop()).toBe(0);
  });
});

it("a scheduler that is stopped and continued runs what fell due meanwhile once", async () => {
  const scheduler = await launchScheduler();
  const dueMs = Date.now() + 1_000;
  const taskId = await create("/asleep", dueMs);
  await eventually("it is claimed", async () => (await client.runs(taskId))[0]?.state === "CLAIMED");
  // Has the effect of SIGTSTP, SIGTTIN and SIGTTOU, which the kernel ignores for processes without a terminal.
  scheduler.signal("SIGSTOP");
  await eventually("it is held dead", async () => (await metricOf(api, "taskscheduler_api_schedulers")) === 0);
  await eventually("the time is past", () => Date.now() > dueMs);
  expect(receiver.requestsOf("/asleep")).toEqual([]);
  scheduler.signal("SIGCONT");
  await eventually("it has succeeded", async () => (await client.runs(taskId))[0]?.state === "SUCCEEDED", 30_000);
  expect(receiver.requestsOf("/asleep")).toHaveLength(1);
  expect(await client.runs(taskId)).toHaveLength(1);
  expect(await scheduler.stop()).toBe(0);
});

describe("SIGHUP", () => {
  const secret = (letter: string) => `whsec_${Buffer.alloc(32, letter).toString("base64")}`;
  const signatures = ({ headers }: Received) => String(headers["webhook-signature"] ?? "").split(" ").length;

  it("has the scheduler read its secrets again, and keep them where the file is wrong", async () => {
    receiver.answer("/signed", status(200));
    writeFileSync(secretsFile, `default ${secret("a")}\n`);
    const scheduler = await launchScheduler({ WEBHOOK_SECRETS_FILE: secretsFile });
    const reload = async (): Promise<string> => {
      const before = scheduler.output().length;
      scheduler.signal("SIGHUP");
      return eventually("it is reloaded", () => {
        const said = scheduler.output().slice(before);
        return said.includes("reload ended") && said;
      });
    };
    const call = async (): Promise<Received> => {
      const count = receiver.requestsOf("/signed").length;
      await create("/signed", Date.now());
      return eventually("the receiver is called", () => receiver.requestsOf("/signed")[count]);
    };
    const first = await call();
    expect(await reload()).toContain('"outcome":"unchanged"');

    writeFileSync(secretsFile, `default ${secret("b")}\ndefault ${secret("a")}\n`);
    expect(await reload()).toContain('"outcome":"changed"');
    const rotated = await call();
    expect([signatures(first), signatures(rotated)]).toEqual([1, 2]);

    writeFileSync(secretsFile, `default ${secret("c")}\nwrong hunter2\n\nalso wrong\n`);
    const faults = await reload();
    expect(times(faults, '"level":"error"')).toBe(2);
    expect(faults).toMatch(/not reloaded: WEBHOOK_SECRETS_FILE: line 2 must.*WEBHOOK_SECRETS_FILE: line 4 must/s);
    rmSync(secretsFile);
    expect(await reload()).toContain("names a file that cannot be read (ENOENT)");
    expect(signatures(await call())).toBe(2);

    for (const part of ["hunter2", ...["a", "b", "c"].map(secret)]) expect(scheduler.output()).not.toContain(part);
    expect(await scheduler.stop()).toBe(0);
  });

  it("has the API say that a new DATABASE_URL_FILE needs a restart", async () => {
    const file = join(folder, "url");
    writeFileSync(file, database.url);
    const env = { DATABASE_URL_FILE: file, DATABASE_URL: "" };
    const service = await startApi({ databaseUrl: "", env });
    await service.ready();
    const says = (text: string) => eventually(text, () => service.output().includes(text));
    service.signal("SIGHUP");
    await says("DATABASE_URL_FILE was read again");
    const url = new URL(database.url);
    url.password = "hunter2";
    writeFileSync(file, url.href);
    service.signal("SIGHUP");
    await says("DATABASE_URL_FILE has changed and needs a restart");
    writeFileSync(file, "mysql://user:hunter2@host/db");
    service.signal("SIGHUP");
    await says("not reloaded: DATABASE_URL_FILE: ");
    expect(service.output()).not.toContain("hunter2");
    expect(await service.stop()).toBe(0);
  });
});
