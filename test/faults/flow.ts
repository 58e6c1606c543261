import { eventually } from "../setup/eventually.js";
import type { Run, TaskClient, TaskView } from "../setup/task-client.js";

/** Tasks that fall due one after the other, while something is killed. */
export interface Flow {
  readonly tasks: readonly TaskView[];
  /** Resolves when so many have succeeded. */
  ran(count: number): Promise<void>;
  /** Resolves with every row when all have succeeded. */
  ended(timeoutMs: number): Promise<Run[]>;
}

export interface FlowOptions {
  readonly prefix: string;
  readonly count: number;
  readonly intervalMs: number;
  /** When the first falls due, from now. */
  readonly afterMs: number;
}

export async function startFlow(client: TaskClient, options: FlowOptions): Promise<Flow> {
  const { prefix, count, intervalMs, afterMs } = options;
  const startMs = Date.now() + afterMs;
  const drafts = Array.from({ length: count }, (_, index) => ({
    name: `${prefix} ${index}`,
    scheduledTimeMs: startMs + index * intervalMs,
  }));
  const tasks = await client.createAll(drafts);
  const ids = new Set(tasks.map(({ id }) => id));
  const read = async () => (await client.runs()).filter(({ taskId }) => ids.has(taskId));
  const succeeded = (runs: readonly Run[]) => runs.filter(({ state }) => state === "SUCCEEDED").length;
  return {
    tasks,
    async ran(least) {
      await eventually(`${least} have run`, async () => succeeded(await read()) >= least, 30_000);
    },
    ended: (timeoutMs) =>
      eventually(
        `all ${count} have run`,
        async () => {
          const runs = await read();
          return succeeded(runs) >= count && runs;
        },
        timeoutMs,
      ),
  };
}

/** Each task has exactly one row, at its own time, that says it ran, and not early. */
export function expectEachOnce(tasks: readonly TaskView[], runs: readonly Run[]): void {
  const expected = tasks.map(({ id, scheduledTimeMs }) => ({ taskId: id, scheduledTimeMs, state: "SUCCEEDED" }));
  expect(runs.map(({ taskId, scheduledTimeMs, state }) => ({ taskId, scheduledTimeMs, state }))).toEqual(expected);
  expect(runs.filter(({ startTimeMs, scheduledTimeMs }) => startTimeMs! < scheduledTimeMs)).toEqual([]);
}

/** Each task is completed and has been run once. */
export async function expectCompleted(client: TaskClient, tasks: readonly TaskView[]): Promise<void> {
  const ids = new Set(tasks.map(({ id }) => id));
  const views = (await client.list()).filter(({ id }) => ids.has(id));
  expect(views).toHaveLength(tasks.length);
  expect(views.filter(({ state, runCount }) => state !== "COMPLETED" || runCount !== 1)).toEqual([]);
}

/** How late the latest started, in milliseconds. */
export function worstLatenessMs(runs: readonly Run[]): number {
  return Math.max(...runs.map(({ startTimeMs, scheduledTimeMs }) => (startTimeMs ?? 0) - scheduledTimeMs));
}
