import { randomUUID } from "node:crypto";
import type { MessageInitShape, MessageShape } from "@bufbuild/protobuf";
import { timestampFromMs, timestampMs } from "@bufbuild/protobuf/wkt";
import type { TaskService } from "@taskscheduler/proto";
import type { Random } from "../setup/random.js";
import { type TaskClient, type TaskView, taskOf, viewOf } from "../setup/task-client.js";
import { untilAnswered } from "./resend.js";

/** What a writer did to a task that it had created for `firstMs`, all of it acknowledged. */
export interface Edit {
  readonly kind: "move" | "remove" | "pause and resume" | "run";
  readonly id: number;
  readonly firstMs: number;
  /** When its call was sent for the first time: it was decided after that. */
  readonly sentMs: number;
  readonly acknowledgedMs: number;
  /** Of a move, where to; of a manual run, its own. */
  readonly secondMs?: number;
}

export interface CreatedTask extends TaskView {
  readonly description: string;
}

export interface EditingWriters {
  /** Tasks that nobody edits. */
  readonly created: readonly CreatedTask[];
  readonly edits: readonly Edit[];
  /** Calls that were not answered, and sent again. */
  readonly resent: () => number;
  /** Resolves when everything that was begun is acknowledged. Fails if a writer was refused. */
  stop(): Promise<void>;
}

const CALL_MS = 5_000;
const CREATORS = 3;
const EDITORS = 4;
/** Between two tasks of one writer. */
const PAUSE_MS = 200;
const DAY_MS = 86_400_000;

type Methods = typeof TaskService.method;
const sleep = (ms: number) => new Promise((resolve) => setTimeout(resolve, ms));

/** Writers that send each call under its `request_id`, at any API, until it is answered. */
export function startEditingWriters(clients: readonly TaskClient[], random: Random): EditingWriters {
  const created: CreatedTask[] = [];
  const edits: Edit[] = [];
  let resent = 0;
  let stopped = false;

  async function send<N extends keyof Methods & string>(
    draw: Random,
    method: N,
    request: MessageInitShape<Methods[N]["input"]>,
  ): Promise<MessageShape<Methods[N]["output"]>> {
    const message = { ...(request as object), requestId: randomUUID() } as MessageInitShape<Methods[N]["input"]>;
    const answered = await untilAnswered(() =>
      draw.pick(clients).tasks.unary(method, message, { deadline: Date.now() + CALL_MS }),
    );
    resent += answered.resent;
    return answered.answer;
  }

  async function create(draw: Random, name: string, scheduledTimeMs: number): Promise<CreatedTask> {
    const description = `to be found again: ${name}`;
    const { task } = await send(draw, "createTask", { task: taskOf({ name, description, scheduledTimeMs }) });
    return { ...viewOf(task), description };
  }

  async function writeOne(draw: Random, name: string): Promise<void> {
    created.push(await create(draw, name, Date.now() + draw.between(500, 6_000)));
  }

  async function editOne(draw: Random, name: string): Promise<void> {
    const kind = draw.pick(["move", "remove", "pause and resume", "run"] as const);
    const firstMs = Date.now() + (kind === "run" ? DAY_MS : 4_000);
    const { id } = await create(draw, name, firstMs);
    await sleep(draw.below(5_000));
    const sentMs = Date.now();
    const secondMs = await edit(draw, kind, id, firstMs);
    edits.push({ kind, id, firstMs, sentMs, acknowledgedMs: Date.now(), ...(secondMs ? { secondMs } : {}) });
  }

  async function edit(draw: Random, kind: Edit["kind"], id: number, firstMs: number): Promise<number | undefined> {
    if (kind === "remove") await send(draw, "deleteTask", { id });
    if (kind === "run") {
      const { execution } = await send(draw, "runTask", { id });
      return timestampMs(execution!.scheduledTime!);
    }
    if (kind === "move") {
      const drawnMs = Date.now() + draw.between(2_000, 6_000);
      // Where it is already, it would not be moved.
      const secondMs = drawnMs === firstMs ? drawnMs + 1 : drawnMs;
      await send(draw, "updateTask", { task: { id, scheduledTime: timestampFromMs(secondMs) } });
      return secondMs;
    }
    if (kind === "pause and resume") {
      try {
        await send(draw, "pauseTask", { id });
        await send(draw, "resumeTask", { id });
      } catch (error) {
        if (!/is completed/.test(String(error))) throw error;
      }
    }
    return undefined;
  }

  const one = async (name: string, draw: Random, write: typeof writeOne): Promise<void> => {
    for (let count = 0; !stopped; count++) {
      await write(draw, `${name}.${count}`);
      await sleep(PAUSE_MS);
    }
  };
  const start = (name: string, count: number, write: typeof writeOne) =>
    Array.from({ length: count }, (_, index) => one(`${name} ${index}`, random.fork(), write));
  const writers = Promise.all([...start("creator", CREATORS, writeOne), ...start("editor", EDITORS, editOne)]);
  // Judged by stop; until then it is nobody's unhandled rejection.
  writers.catch(() => undefined);
  return {
    created,
    edits,
    resent: () => resent,
    async stop() {
      stopped = true;
      await writers;
    },
  };
}
