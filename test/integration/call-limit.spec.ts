import { ConnectError } from "@connectrpc/connect";
import { status } from "@grpc/grpc-js";
import { TaskService } from "@taskscheduler/proto";
import { createCallLimit } from "../../packages/api/src/policies/call-limit.js";
import { connectClient, grpcClient, grpcWebClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { startTransports, type TransportFixture, WAITS_FOR_RELEASE } from "./transport-fixture.js";

/** Calls and watches beyond what one process serves at once, on all ports together. */

const CALLS = 3;
const WATCHES = 2;
const TOO_MANY = `${CALLS} calls are under way; try again, or at another server`;

let fixture: TransportFixture;
let httpUrl: string;
let grpcAddress: string;
let grpc: ReturnType<typeof grpcClient<typeof TaskService>>;

beforeEach(async () => {
  fixture = await startTransports({
    limits: { unary: createCallLimit(CALLS, "calls"), streams: createCallLimit(WATCHES, "watches") },
  });
  httpUrl = `http://127.0.0.1:${fixture.http.port()}`;
  grpcAddress = `127.0.0.1:${fixture.grpc.port()}`;
  grpc = grpcClient(TaskService, grpcAddress);
});

afterEach(async () => {
  grpc.close();
  await fixture.stop();
});

/** Over each protocol in turn, as a task's id and a code of gRPC. */
const callers: Record<string, (id: number) => Promise<string>> = {
  gRPC: (id) =>
    grpc.unary("getTask", { id }).then(
      ({ task }) => `task ${task?.id}`,
      ({ code, details }: { code: number; details: string }) => `${status[code]}: ${details}`,
    ),
  Connect: (id) => overHttp(connectClient(TaskService, httpUrl).getTask({ id })),
  "gRPC-Web": (id) => overHttp(grpcWebClient(TaskService, httpUrl).getTask({ id })),
};

function overHttp(call: Promise<{ task?: { id: number } | undefined }>): Promise<string> {
  return call.then(
    ({ task }) => `task ${task?.id}`,
    (error: unknown) => `${status[ConnectError.from(error).code]}: ${ConnectError.from(error).rawMessage}`,
  );
}

const underWay = async (method: string) => {
  const line = new RegExp(`calls_under_way\\{[^}]*method="${method}"\\} (\\d+)`);
  return Number(line.exec(await fixture.metrics())?.[1] ?? 0);
};

it("calls beyond the limit are refused, those under way are answered, and then others are served", async () => {
  const first = Object.values(callers).map((call) => call(WAITS_FOR_RELEASE));
  await eventually("they are under way", async () => (await underWay("GetTask")) === CALLS);
  for (const call of Object.values(callers)) expect(await call(5)).toBe(`RESOURCE_EXHAUSTED: ${TOO_MANY}`);
  for (const path of ["/api/tasks/5", "/api/tasks/"]) {
    const rest = await fetch(`${httpUrl}${path}`);
    expect([path, rest.status, await rest.json()]).toEqual([path, 429, { detail: TOO_MANY }]);
  }
  // Probes are no calls: whoever judges the process hears that it lives.
  expect((await fetch(`${httpUrl}/readyz`)).status).toBe(200);
  fixture.release();
  expect(await Promise.all(first)).toEqual(Array(CALLS).fill(`task ${WAITS_FOR_RELEASE}`));
  for (const call of Object.values(callers)) expect(await call(5)).toBe("task 5");
  expect((await fetch(`${httpUrl}/api/tasks/5`)).status).toBe(200);
});

it("a call that was refused or failed takes no place", async () => {
  for (let count = 0; count < 2 * CALLS; count += 1) {
    for (const call of Object.values(callers)) expect(await call(404)).toMatch(/^NOT_FOUND/);
  }
  expect(await callers["gRPC"]!(5)).toBe("task 5");
});

it("watches have a limit of their own; one that its reader leaves makes room for another", async () => {
  const open = () => {
    const stream = grpc.stream("watchTasks", { resumeToken: "deaf 1" });
    const begun = new Promise<string>((resolve) => {
      stream.once("data", () => resolve("begun"));
      stream.on("error", ({ code }: { code: number }) => resolve(status[code]!));
    });
    return { stream, begun };
  };
  const watches = Array.from({ length: WATCHES }, open);
  for (const { begun } of watches) expect(await begun).toBe("begun");
  expect(await open().begun).toBe("RESOURCE_EXHAUSTED");
  expect(await callers["gRPC"]!(5)).toBe("task 5");
  watches[0]!.stream.cancel();
  await eventually("its place is free", async () => (await underWay("WatchTasks")) === WATCHES - 1);
  const another = open();
  expect(await another.begun).toBe("begun");
  another.stream.cancel();
  watches[1]!.stream.cancel();
});
