import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { eventually } from "../setup/eventually.js";
import type { Random } from "../setup/random.js";
import type { TaskClient } from "../setup/task-client.js";
import { isUnanswered } from "./resend.js";
import { deleted, GROUP_LABEL, type ToldChange, upserted } from "./told-log.js";

/** Writers that create, change and delete tasks of the same names, and remember what was acknowledged. */
export interface ChangeWriters {
  readonly acknowledged: readonly ToldChange[];
  /** How often nobody knows what became of a call. */
  readonly unanswered: () => number;
  /** Resolves when so many changes were acknowledged. */
  reached(count: number): Promise<void>;
  stop(): Promise<void>;
}

export const WRITERS = 32;
export const GROUPS = ["a", "b", "c", "d", "e", "f"];
/** Few, so that writers meet at them; and many, so that a snapshot has several pages. */
const HOT_NAMES = 60;
const NAMES = 1_500;
const CALL_MS = 10_000;
const PAUSE_MS = 20;
const REACHED_MS = 600_000;

export function startWriters(clients: readonly TaskClient[], random: Random): ChangeWriters {
  const acknowledged: ToldChange[] = [];
  const ids = new Map<string, number>();
  const scheduledTime = timestampFromMs(Date.now() + 30 * 24 * 60 * 60 * 1000);
  let unanswered = 0;
  let stopped = false;
  let serial = 0;
  let failure: unknown;

  async function change({ tasks }: TaskClient): Promise<void> {
    const name = `task ${random.below(random.below(10) < 7 ? HOT_NAMES : NAMES)}`;
    const id = ids.get(name);
    const options = { deadline: Date.now() + CALL_MS };
    const labels = { [GROUP_LABEL]: random.pick(GROUPS) };
    if (id === undefined) {
      const { task } = await tasks.unary("createTask", { task: { name, scheduledTime, labels } }, options);
      ids.set(name, task!.id);
      acknowledged.push(upserted(task!));
    } else if (random.below(10) < 3) {
      await tasks.unary("deleteTask", { id }, options);
      if (ids.get(name) === id) ids.delete(name);
      acknowledged.push(deleted(id));
    } else {
      const changed = { id, description: `change ${++serial}`, ...(random.below(2) === 0 ? { labels } : {}) };
      const { task } = await tasks.unary("updateTask", { task: changed }, options);
      acknowledged.push(upserted(task!));
    }
  }

  async function write(client: TaskClient): Promise<void> {
    while (!stopped) {
      try {
        await change(client);
      } catch (error) {
        const text = String(error);
        if (/NOT_FOUND/.test(text)) forgetGone(text);
        else if (/ALREADY_EXISTS/.test(text)) {
          if (unanswered > 0) await learn(client).catch(() => undefined);
        } else if (isUnanswered(error)) {
          unanswered += 1;
          await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
        } else throw error;
      }
    }
  }

  function forgetGone(text: string): void {
    const gone = Number(/there is no task (\d+)/.exec(text)?.[1]);
    for (const [name, id] of ids) if (id === gone) ids.delete(name);
  }

  /** A name that a call took whose answer was lost. (Of another writer's, that one tells us by itself.) */
  async function learn(client: TaskClient): Promise<void> {
    for (const { name, id } of await client.list()) if (!ids.has(name)) ids.set(name, id);
  }

  const writers = Promise.all(
    Array.from({ length: WRITERS }, (_, index) => write(clients[index % clients.length]!)),
  ).catch((error: unknown) => {
    failure = error;
  });
  const judge = () => {
    if (failure !== undefined) throw failure;
  };
  return {
    acknowledged,
    unanswered: () => unanswered,
    async reached(count) {
      const isReached = () => failure !== undefined || acknowledged.length >= count;
      await eventually(`${count} changes are acknowledged`, isReached, REACHED_MS);
      judge();
    },
    async stop() {
      stopped = true;
      await writers;
      judge();
    },
  };
}
