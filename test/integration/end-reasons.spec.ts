import { randomUUID } from "node:crypto";
import { durationFromMs, timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import {
  type Execution,
  ExecutionEndReason,
  ExecutionState,
  type Grant,
  SchedulerService,
  type Task,
} from "@taskscheduler/proto";
import { type GrpcClient, grpcClient } from "../setup/clients.js";
import { type ApiFixture, startApiFixture, type TaskInit } from "./api-fixture.js";

/** A scheduler that is played by hand: it claims ahead of the time, and reports what the test says. */

/** So far ahead that no busy machine gets there: claims are granted up to 10 s ahead. */
const AHEAD_MS = 9_500;

let fixture: ApiFixture;
let fleet: GrpcClient<typeof SchedulerService>;
let incarnation: number;
let names = 0;

beforeAll(async () => {
  fixture = await startApiFixture({ LEASE_MS: "600000" });
  fleet = grpcClient(SchedulerService, fixture.api.grpcAddress);
});

beforeEach(async () => {
  const processId = randomUUID();
  ({ incarnation } = await fleet.unary("register", { schedulerId: `by hand ${processId}`, processId }));
});

afterAll(async () => {
  fleet?.close();
  await fixture?.stop();
});

async function claimed(draft: TaskInit = {}): Promise<{ task: Task; grant: Grant }> {
  const name = `task ${++names}`;
  const scheduledTime = timestampFromMs(Date.now() + AHEAD_MS);
  const { task } = await fixture.client.call("createTask", { task: { name, scheduledTime, ...draft } });
  const occurrence = { taskId: task!.id, scheduledTimeMs: BigInt(timestampMs(task!.scheduledTime!)) };
  const { results } = await fleet.unary("claimExecutions", { incarnation, occurrences: [occurrence] });
  return { task: task!, grant: results[0]!.grant! };
}

async function executionOf(taskId: number): Promise<Execution> {
  const { executions } = await fixture.client.call("listExecutions", { taskId });
  return executions[0]!;
}

const endOf = ({ state, endReason }: Execution) => `${ExecutionState[state]} ${ExecutionEndReason[endReason]}`;

async function report({ taskId, scheduledTimeMs, fence }: Grant, state: ExecutionState): Promise<readonly boolean[]> {
  const times = { startTimeMs: scheduledTimeMs, endTimeMs: scheduledTimeMs + 5n };
  const reports = [{ taskId, scheduledTimeMs, fence, state, ...times }];
  return (await fleet.unary("reportExecutions", { incarnation, reports })).accepted;
}

function beat({ taskId, scheduledTimeMs, fence }: Grant) {
  return fleet.unary("heartbeat", { incarnation, heldClaims: [{ taskId, scheduledTimeMs, fence }] });
}

describe("an execution says why it ended without a run", () => {
  it("when its task is paused, and when it is due after all it says so no more", async () => {
    const { task, grant } = await claimed({ recurrence: 2 });
    await fixture.client.call("pauseTask", { id: task.id });
    expect(endOf(await executionOf(task.id))).toBe("CANCELLED TASK_PAUSED");
    await fixture.client.call("resumeTask", { id: task.id });
    const { taskId, scheduledTimeMs } = grant;
    const again = await fleet.unary("claimExecutions", { incarnation, occurrences: [{ taskId, scheduledTimeMs }] });
    expect(again.results[0]?.grant?.fence).toBe(grant.fence + 2);
    expect(endOf(await executionOf(task.id))).toBe("CLAIMED UNSPECIFIED");
  });

  it("when its task's schedule, or its target, is edited", async () => {
    const moved = (await claimed({ recurrence: 2 })).task.id;
    await fixture.client.call("updateTask", {
      task: { id: moved, scheduledTime: timestampFromMs(Date.now() + 60_000) },
    });
    expect(endOf(await executionOf(moved))).toBe("CANCELLED SCHEDULE_CHANGED");
    const aimed = (await claimed()).task.id;
    await fixture.client.call("updateTask", { task: { id: aimed, timeout: durationFromMs(1_000) } });
    expect(endOf(await executionOf(aimed))).toBe("CANCELLED TARGET_CHANGED");
  });

  it("when its task is deleted, and when a user cancels it", async () => {
    const deleted = (await claimed()).task.id;
    await fixture.client.call("deleteTask", { id: deleted });
    expect(endOf(await executionOf(deleted))).toBe("CANCELLED TASK_DELETED");
    const { id } = await executionOf((await claimed()).task.id);
    const { execution } = await fixture.client.call("cancelExecution", { id });
    expect(endOf(execution!)).toBe("CANCELLED CANCELLED_BY_USER");
  });

  it("in the stream of executions as well", async () => {
    const watch = fixture.client.watch("watchExecutions");
    await watch.until("the snapshot is whole", (events) =>
      events.some(({ event }) => event.case === "snapshotComplete"),
    );
    const { task } = await claimed();
    await fixture.client.call("pauseTask", { id: task.id });
    await watch.until("it is told", (events) =>
      events.some(
        ({ event }) =>
          event.case === "upserted" &&
          event.value.taskId === task.id &&
          event.value.endReason === ExecutionEndReason.TASK_PAUSED,
      ),
    );
    watch.cancel();
  });
});

describe("an execution that began in the moment in which it was withdrawn", () => {
  it("is its scheduler's until it has ended, and no reason is told", async () => {
    const { task, grant } = await claimed({ recurrence: 2 });
    await fixture.client.call("pauseTask", { id: task.id });
    expect(await report(grant, ExecutionState.RUNNING)).toEqual([true]);
    expect(endOf(await executionOf(task.id))).toBe("RUNNING UNSPECIFIED");
    expect(await beat(grant)).toMatchObject({ adopt: [], drop: [], cancelled: [] });
    for (let sent = 0; sent < 2; sent += 1) {
      expect(await report(grant, ExecutionState.SUCCEEDED)).toEqual([true]);
      expect(endOf(await executionOf(task.id))).toBe("SUCCEEDED UNSPECIFIED");
    }
    expect(await beat(grant)).toMatchObject({ adopt: [], drop: [{ taskId: task.id }], cancelled: [] });
  });

  it("can be cancelled: its scheduler is told, and says how the run ended", async () => {
    const { task, grant } = await claimed({ recurrence: 2 });
    await fixture.client.call("pauseTask", { id: task.id });
    await report(grant, ExecutionState.RUNNING);
    await fixture.client.call("cancelExecution", { id: (await executionOf(task.id)).id });
    const { cancelled } = await beat(grant);
    expect(cancelled).toMatchObject([{ taskId: task.id, fence: grant.fence + 1 }]);
    expect(await report(grant, ExecutionState.CANCELLED)).toEqual([true]);
    const execution = await executionOf(task.id);
    expect(endOf(execution)).toBe("CANCELLED CANCELLED_BY_USER");
    expect(execution.attempts).toMatchObject([{ attempt: 1, state: ExecutionState.CANCELLED }]);
  });

  it("and failed, is retried under a fence that is above the withdrawal's", async () => {
    const { task, grant } = await claimed({ recurrence: 2 });
    await fixture.client.call("pauseTask", { id: task.id });
    await report(grant, ExecutionState.FAILED);
    await fixture.client.call("retryExecution", { id: (await executionOf(task.id)).id });
    const { taskId, scheduledTimeMs } = grant;
    const occurrences = [{ taskId, scheduledTimeMs, recorded: true }];
    const { results } = await fleet.unary("claimExecutions", { incarnation, occurrences });
    expect(results[0]?.grant?.fence).toBe(grant.fence + 2);
    expect(await report(grant, ExecutionState.SUCCEEDED)).toEqual([false]);
  });
});
