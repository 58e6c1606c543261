import { gzipSync } from "node:zlib";
import { TaskService } from "@taskscheduler/proto";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi, startScheduler } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { callRaw } from "./raw-grpc.js";
import { envelope } from "./raw-http.js";

/** Nothing that is secret is in a log, at whatever level, in an answer or in the metrics. */

jest.setTimeout(60_000);

const PASSWORD = "pa55-w0rd%2F%40";
const TOKEN = "t0k3n-of-a-caller";
/** As it is written in a URL, as it is meant, and as a header may carry it. */
const SECRETS = [PASSWORD, decodeURIComponent(PASSWORD), TOKEN, Buffer.from(`user:${TOKEN}`).toString("base64")];
const service = TaskService.typeName;
const headers = {
  authorization: `Bearer ${TOKEN}`,
  "proxy-authorization": `Basic ${SECRETS[3]}`,
  cookie: `session=${TOKEN}`,
  "x-api-key": TOKEN,
};

let database: TestDatabase;

beforeAll(async () => {
  database = await createTestDatabase();
});

afterAll(async () => {
  await killAll();
  await database?.drop();
});

function withoutSecrets(text: string): void {
  expect(text).not.toBe("");
  for (const secret of SECRETS) expect(text).not.toContain(secret);
}

function urlWith(change: (url: URL) => void): string {
  const url = new URL(database.url);
  change(url);
  url.password = PASSWORD;
  return url.href;
}

/** What callers are told, with credentials in every header, whether right or wrong. */
async function callAll(api: ApiProcess): Promise<string> {
  const paths = ["/metrics", "/readyz", "/healthz", "/api/tasks/", "/api/tasks/x", "/nothing"];
  const posts: [string, Record<string, string>, string | Buffer][] = [
    [`/${service}/ListTasks`, { "content-type": "application/json" }, "{}"],
    [`/${service}/ListTasks`, { "content-type": "application/json" }, '{"pageSize":"x"}'],
    [`/${service}/ListTasks`, { "content-type": "application/json", "content-encoding": "gzip" }, gzipSync("{")],
    [`/${service}/ListTasks`, { "content-type": "application/grpc-web+proto" }, envelope("")],
    [`/${service}/Nothing`, { "content-type": "application/json" }, "{}"],
    ["/api/tasks/", { "content-type": "application/json" }, "{"],
  ];
  const answers = [
    ...paths.map((path) => fetch(`${api.httpUrl}${path}`, { headers })),
    ...posts.map(([path, more, body]) =>
      fetch(`${api.httpUrl}${path}`, {
        method: "POST",
        headers: { ...headers, ...more },
        body: new Uint8Array(Buffer.from(body as string)),
      }),
    ),
  ].map(async (answer) => {
    const response = await answer;
    return `${JSON.stringify([...response.headers])} ${await response.text()}`;
  });
  const overGrpc = ["ListTasks", "CreateTask", "Nothing"].map(async (method) =>
    JSON.stringify(
      await callRaw(api.grpcAddress, `/${service}/${method}`, [envelope("")], { headers, withinMs: 20_000 }),
    ),
  );
  return (await Promise.all([...answers, ...overGrpc])).join("\n");
}

/** Which logs all that the others do. */
const LOG_LEVEL = "trace";

describe("at the level trace", () => {
  it("neither a caller's credentials nor the database's are told by an API that works", async () => {
    const api = await startApi({ databaseUrl: database.url, env: { LOG_LEVEL } });
    await api.ready();
    withoutSecrets(await callAll(api));
    expect(await api.stop()).toBe(0);
    withoutSecrets(api.output());
    const { password } = new URL(database.url);
    if (password !== "") expect(api.output()).not.toContain(password);
  });

  it.each<[string, () => Promise<string>]>([
    ["of the wrong password", async () => urlWith((url) => (url.username = "nobody"))],
    [
      "that nothing listens at",
      async () => {
        const port = await freePort();
        return urlWith((url) => (url.port = String(port)));
      },
    ],
    ["of an unknown host", async () => urlWith((url) => (url.hostname = "nowhere.invalid"))],
    ["of a database that is not there", async () => urlWith((url) => (url.pathname = "/missing"))],
  ])("the password of a URL %s is not told", async (_, databaseUrl) => {
    const api = await startApi({ databaseUrl: await databaseUrl(), env: { LOG_LEVEL } });
    await eventually("the API says why it waits, or that it is ready", async () =>
      /the database is (not )?ready/.test(api.output()),
    );
    withoutSecrets(await callAll(api));
    await api.stop();
    withoutSecrets(api.output());
  });

  it.each([
    `mysql://user:${PASSWORD}@127.0.0.1/d`,
    `mariadb://user:${PASSWORD}@127.0.0.1:99999/d`,
    `mariadb://user:${PASSWORD}@127.0.0.1`,
    `mariadb://user:${PASSWORD}@/d`,
    `user:${PASSWORD}`,
    `mariadb://user:${PASSWORD}%zz@127.0.0.1/d`,
  ])("the password of %s is not told", async (databaseUrl) => {
    const api = await startApi({ databaseUrl, env: { LOG_LEVEL } });
    expect(await api.exited).toBe(78);
    expect(api.output()).toMatch(/DATABASE_URL/);
    withoutSecrets(api.output());
  });

  it("nothing of a file for a secret is told by a scheduler that does not take one yet", async () => {
    const env = { LOG_LEVEL, API_TOKEN_FILE: TOKEN, WEBHOOK_SECRETS_FILE: TOKEN };
    const scheduler = await startScheduler({ apiAddress: "127.0.0.1:1", env });
    expect(await scheduler.exited).toBe(78);
    withoutSecrets(scheduler.output());
  });
});
