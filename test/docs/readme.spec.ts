import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, type ServiceProcess, startApi, startScheduler } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";
import { type RunnableBlock, readPage, runnableBlocks } from "./markdown.js";
import { isInstalled, runShell } from "./shell.js";

const COMMAND_MS = 15_000;
const FIRE_MS = 20_000;

/** What `npm test` does not bring along. */
const missingTools = ["curl", "grpcurl"].filter((tool) => !isInstalled(tool));
const blocks = runnableBlocks(readPage("README.md"));
const inSection = (section: string) => blocks.filter((block) => block.section === section);
const consumer = runnableBlocks(readPage("docs/change-stream.md"));

let database: TestDatabase;
let api: ApiProcess;
let scheduler: ServiceProcess;

beforeAll(async () => {
  database = await createTestDatabase();
  api = await startApi({ databaseUrl: database.url });
  const env = { TARGET_ALLOW_CIDRS: "127.0.0.1/32" };
  scheduler = await startScheduler({ apiAddress: api.grpcAddress, env });
  await Promise.all([api.ready(), scheduler.ready()]);
});

afterAll(async () => {
  await killAll();
  await database?.drop();
});

/** The block as it stands, but for the ports. */
function run({ language, code }: RunnableBlock, until?: RegExp) {
  const text = code
    .replaceAll("127.0.0.1:8000", new URL(api.httpUrl).host)
    .replaceAll("127.0.0.1:50051", api.grpcAddress);
  const options = { timeoutMs: COMMAND_MS, ...(until === undefined ? {} : { until }) };
  return language === "ts"
    ? runShell(["npx", "tsx", "--input-type=module", "-e", text], options)
    : runShell(["bash", "-c", text], options);
}

/** `curl …/api/tasks`, `npx buf`, and so on: enough to find the block by. */
function title({ code }: RunnableBlock): string {
  return code.replaceAll("\\\n", "").split("\n", 1)[0]?.slice(0, 90) ?? "";
}

function itWorks(block: RunnableBlock, check: () => Promise<void>): void {
  const tool = /^(?:printf .* \| )?(curl|grpcurl) /.exec(block.code)?.[1] ?? "";
  if (missingTools.includes(tool)) it.skip(`${title(block)} (${tool} is not installed)`, check);
  else it(title(block), check, COMMAND_MS + FIRE_MS);
}

interface Listed {
  readonly name: string;
}

async function listTasks(): Promise<Listed[]> {
  const answer = await post("TaskService/ListTasks", {});
  return (answer["tasks"] ?? []) as Listed[];
}

async function post(method: string, body: object): Promise<Record<string, unknown>> {
  const response = await fetch(`${api.httpUrl}/taskscheduler.v1.${method}`, {
    method: "POST",
    headers: { "content-type": "application/json" },
    body: JSON.stringify(body),
  });
  return (await response.json()) as Record<string, unknown>;
}

describe("README.md", () => {
  it.each(["Create", "List", "Watch", "Executions"])("%s is shown in every form of call", (section) => {
    const tools = inSection(section).map(({ code }) => /curl -sS|grpcurl|buf curl|tsx/.exec(code)?.[0]);
    expect(new Set(tools)).toEqual(new Set(["curl -sS", "grpcurl", "buf curl", "tsx"]));
  });

  describe("Create", () => {
    for (const block of inSection("Create")) {
      itWorks(block, async () => {
        const before = await listTasks();
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        const created = (await listTasks()).slice(before.length);
        expect(created).toHaveLength(1);
        expect(output).toContain(created[0]!.name);
      });
    }
  });

  describe("List", () => {
    for (const block of inSection("List")) {
      itWorks(block, async () => {
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        for (const { name } of await listTasks()) expect(output).toContain(name);
      });
    }
  });

  describe("Watch", () => {
    for (const block of [...inSection("Watch"), ...consumer]) {
      itWorks(block, async () => {
        const { output } = await run(block, /snapshotComplete/);
        expect(output).toContain("snapshotComplete");
        if (block.language === "ts") return;
        for (const { name } of await listTasks()) expect(output).toContain(name);
      });
    }
  });

  describe("Executions", () => {
    for (const block of inSection("Executions")) {
      itWorks(block, async () => {
        const tasks = await listTasks();
        await eventually(
          "each task has run",
          async () => {
            const states = ["EXECUTION_STATE_SUCCEEDED"];
            const { executions = [] } = await post("ExecutionService/ListExecutions", { states });
            return (executions as unknown[]).length === tasks.length;
          },
          FIRE_MS,
        );
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        expect(output).toContain("SUCCEEDED");
        for (const { name } of tasks) expect(output).toContain(name);
      });
    }
  });

  describe("Webhooks", () => {
    for (const block of inSection("Webhooks")) {
      itWorks(block, async () => {
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        expect(output).not.toContain('"code":');
        for (const part of [
          /"state":"EXECUTION_STATE_(RETRYING|CLAIMED)"/,
          /ECONNREFUSED|refused/,
          /"error":"cancelled by a user"/,
          /"httpStatus":404/,
          /"retriedCount":1/,
          /"attempts":\[\{"attempt":1,[^\]]*"EXECUTION_STATE_FAILED"[^\]]*"attempt":2,[^\]]*"EXECUTION_STATE_SUCCEEDED"/,
        ]) {
          expect(output).toMatch(part);
        }
        expect((await listTasks()).some(({ name }) => name.startsWith("made by "))).toBe(true);
      });
    }
  });

  describe("Summaries", () => {
    for (const block of inSection("Summaries")) {
      itWorks(block, async () => {
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        const answer = JSON.parse(output.slice(output.indexOf("{")));
        expect(answer.counts).toContainEqual({ state: "EXECUTION_STATE_SUCCEEDED", count: expect.any(String) });
        expect([6, 7]).toContain(answer.buckets.length);
        expect(answer.lateness.p99).toMatch(/s$/);
      });
    }
  });

  describe("The other calls", () => {
    for (const block of inSection("The other calls")) {
      itWorks(block, async () => {
        const { code, output } = await run(block);
        expect({ code, output }).toMatchObject({ code: 0 });
        expect(output).not.toContain('"code":');
        for (const part of [
          '"description":"monthly"',
          '"pauseReason":"holiday"',
          "EXECUTION_TRIGGER_MANUAL",
          "2040-02-29T09:00:00+01:00",
        ]) {
          expect(output).toContain(part);
        }
      });
    }
  });
});
