import { execFile } from "node:child_process";
import { randomUUID } from "node:crypto";
import { join } from "node:path";
import { type ApiFixture, startApiFixture } from "./api-fixture.js";

/** A client of another make, which learns the services from the server itself or from the protos. */

const root = join(__dirname, "../..");
let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const PROTOCOLS = {
  grpc: () => ["--protocol", "grpc", "--http2-prior-knowledge"],
  grpcweb: () => ["--protocol", "grpcweb", "--schema", "proto"],
  connect: () => ["--protocol", "connect", "--schema", "proto"],
} as const;
type Protocol = keyof typeof PROTOCOLS;
const NAMES = Object.keys(PROTOCOLS) as Protocol[];

interface Outcome {
  readonly exitCode: number;
  readonly answer: { readonly task?: { readonly id: number } };
  readonly error: { readonly code: string; readonly message: string; readonly details?: { readonly type: string }[] };
}

function curl(args: readonly string[]): Promise<{ exitCode: number; stdout: string; stderr: string }> {
  return new Promise((resolve) => {
    execFile(
      join(root, "node_modules/.bin/buf"),
      ["curl", ...args],
      { cwd: root, timeout: 20_000 },
      (error, stdout, stderr) => resolve({ exitCode: error === null ? 0 : Number(error.code), stdout, stderr }),
    );
  });
}

async function call(protocol: Protocol, method: string, request: object): Promise<Outcome> {
  const base = protocol === "grpc" ? `http://${fixture.api.grpcAddress}` : fixture.api.httpUrl;
  const { exitCode, stdout, stderr } = await curl([
    ...PROTOCOLS[protocol](),
    "-d",
    JSON.stringify(request),
    `${base}/${method}`,
  ]);
  const json = (text: string) => (text.trim().startsWith("{") ? JSON.parse(text) : {});
  return { exitCode, answer: json(stdout), error: json(stderr) };
}

describe.each(NAMES)("buf curl by %s", (protocol) => {
  it("creates a task, reads it and is refused its name", async () => {
    const task = {
      name: `Plan “B” ${randomUUID()}`,
      scheduledTime: "2100-01-31T09:30:00.123Z",
      recurrence: "RECURRENCE_MONTHLY",
    };
    const created = await call(protocol, "taskscheduler.v1.TaskService/CreateTask", { task });
    expect(created).toMatchObject({ exitCode: 0, answer: { task: { ...task, state: "TASK_STATE_ACTIVE" } } });
    const id = created.answer.task?.id;
    const read = await call(protocol, "taskscheduler.v1.TaskService/GetTask", { id });
    expect(read.answer).toEqual(created.answer);
    const refused = await call(protocol, "taskscheduler.v1.TaskService/CreateTask", { task });
    expect(refused.exitCode).not.toBe(0);
    expect(refused.error).toMatchObject({
      code: "already_exists",
      message: `there is a task named ${JSON.stringify(task.name)} already`,
    });
    expect(refused.error.details?.map(({ type }) => type)).toEqual(["google.rpc.ErrorInfo", "google.rpc.BadRequest"]);
  }, 60_000);
});

it("asks for health", async () => {
  const { answer } = await call("grpc", "grpc.health.v1.Health/Check", { service: "taskscheduler.v1.TaskService" });
  expect(answer).toEqual({ status: "SERVING" });
});

it.each(["grpc-v1", "grpc-v1alpha"])("lists the services by reflection %s", async (version) => {
  const { stdout } = await curl([
    ...PROTOCOLS.grpc(),
    "--reflect-protocol",
    version,
    "--list-services",
    `http://${fixture.api.grpcAddress}`,
  ]);
  expect(stdout.trim().split("\n")).toEqual(
    expect.arrayContaining([
      "grpc.health.v1.Health",
      "taskscheduler.v1.ExecutionService",
      "taskscheduler.v1.SchedulerService",
      "taskscheduler.v1.TaskService",
    ]),
  );
});
