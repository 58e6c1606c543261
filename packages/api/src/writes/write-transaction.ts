import {
  type ExecutionKey,
  type ExecutionRow,
  executionKeyText,
  ServiceError,
  type Webhook,
} from "@taskscheduler/domain";
import type { ExecutionChange, Task, TaskChange } from "@taskscheduler/proto";
import {
  type ChangeSegment,
  encodeExecutionChanges,
  encodeTaskChanges,
  type NewSegment,
} from "../changes/change-event.js";
import { appendSegments, LAST_REVISION, placeSegments } from "../changes/change-store.js";
import type { SqlConnection } from "../database/database.js";
import type { Clock } from "../database/database-clock.js";
import { plain, runTogether } from "../database/statements.js";
import { executionChange } from "../executions/execution-mapper.js";
import { type StatDelta, StatDeltas } from "../executions/execution-stats.js";
import { addStats } from "../executions/execution-stats-store.js";
import { endExecutions, findExecutions, lockUnfinished, saveExecutions } from "../executions/execution-store.js";
import { findIncarnations } from "../fleet/fleet-store.js";
import { labelStatements } from "../tasks/label-store.js";
import { taskChange, taskToProto } from "../tasks/task-mapper.js";
import type { TaskRow } from "../tasks/task-row.js";
import {
  deleteTasks,
  findNames,
  findWebhooks,
  insertTasks,
  lockAll,
  lockCursors,
  lockTasks,
  moveTasks,
  updateTasks,
} from "../tasks/task-store.js";
import { findAnswers, type StoredAnswer, saveAnswers } from "./request-store.js";
import type { AssignedIds, Decision, WriteCommand, WriteView } from "./write-command.js";
import { type StagedTaskChange, WriteStage } from "./write-stage.js";

/** Commands of all kinds share a group; each gets back its own answer. */
export type AnyCommand = WriteCommand<unknown>;

export type CommandOutcome = { readonly answer: unknown } | { readonly error: unknown };

/** What a command decided: to be answered once its rows are written, or at once. */
type Verdict = CommandOutcome | { readonly decision: Decision<unknown> };

/**
 * Runs a group of commands in one transaction: reads and locks all that they need in the order tasks, executions;
 * lets each decide; writes it as multi-row statements; gives out revisions last; commits. What fails for one command
 * fails that one alone; what fails for the database fails the transaction, which may run again whole.
 *
 * Names are looked for when `isNameKnown`: that one of them is taken already. Else the unique key judges, which spares a look
 * at each new name; a name that is taken fails the transaction, to be run again with a look.
 *
 * What is only read is sent without waiting for the answer to what came before: the server takes it in that order, and
 * each wait costs this process, and whoever waits for a lock, more than most statements.
 */
export async function runGroup(
  connection: SqlConnection,
  commands: readonly AnyCommand[],
  clock: Clock,
  isNameKnown: boolean,
): Promise<{ outcomes: CommandOutcome[]; segments: ChangeSegment[] }> {
  const [, { view, answers, executions }] = await Promise.all([
    connection.query("BEGIN"),
    readView(connection, commands, clock, isNameKnown),
  ]);
  const { nowMs } = view;
  const total = new WriteStage();
  const stage = new WriteStage();
  const verdicts = commands.map((command) => {
    stage.clear();
    return decide(command, view, answers, stage, total);
  });
  const ids = await writeTasks(connection, total);
  const outcomes = verdicts.map(
    (verdict): CommandOutcome => ("decision" in verdict ? { answer: verdict.decision(ids) } : verdict),
  );
  const firstAnswers = commands.flatMap((command, index) => newAnswer(command, verdicts[index], outcomes[index]));
  const segments = changesOf(total, ids);
  const [last] = await runTogether<{ revision: number }>(connection, [
    ...deleteTasks(rowsOf(total, "DELETED").map((row) => row.id)),
    ...labelStatements(total.taskChanges, (row) => ids.created(row).id),
    ...moveTasks([...total.moves.values()]),
    ...saveExecutions([...total.executions.values()]),
    ...endExecutions([...total.endings.values()]),
    ...saveAnswers(firstAnswers, nowMs),
    ...addStats(deltasOf(total, executions)),
    ...appendSegments(segments, nowMs),
    plain("COMMIT"),
    LAST_REVISION,
  ]);
  return { outcomes, segments: placeSegments(segments, Number(last?.revision)) };
}

/** What it writes joins the total, unless it refuses, was answered before, or is only to be judged. */
function decide(
  command: AnyCommand,
  view: WriteView,
  answers: ReadonlyMap<string, StoredAnswer>,
  stage: WriteStage,
  total: WriteStage,
): Verdict {
  try {
    const first = command.request === undefined ? undefined : answers.get(command.request.id.toLowerCase());
    if (first !== undefined) return { answer: firstAnswer(command, first) };
    const decision = command.decide(view, stage);
    if (command.validateOnly) return { answer: decision({ created: (row) => taskToProto(row) }) };
    total.add(stage);
    return { decision };
  } catch (error) {
    return { error };
  }
}

function firstAnswer(command: AnyCommand, stored: StoredAnswer): unknown {
  if (command.request === undefined || Buffer.compare(stored.fingerprint, command.request.fingerprint) !== 0) {
    const description = "was used for another request within the last 24 hours; a new request needs a new UUID";
    throw new ServiceError("REQUEST_ID_REUSED", `request_id: ${description}`, {
      violations: [{ field: "request_id", description }],
    });
  }
  return command.request.decode(stored.answer);
}

async function readView(
  connection: SqlConnection,
  commands: readonly AnyCommand[],
  clock: Clock,
  isNameKnown: boolean,
): Promise<{ view: WriteView; answers: Map<string, StoredAnswer>; executions: ReadonlyMap<string, ExecutionRow> }> {
  const gather = <T>(pick: (command: AnyCommand) => readonly T[] | undefined): T[] => [
    ...new Set(commands.flatMap((command) => pick(command) ?? [])),
  ];
  const ascending = (a: number, b: number) => a - b;
  const looksForNames = isNameKnown || commands.some((command) => command.validateOnly);
  const needsIncarnations = commands.some((command) => command.needs.incarnations);
  const taskIds = gather((command) => command.needs.taskIds).sort(ascending);
  const cursorsOf = gather((command) => command.needs.cursorsOf).sort(ascending);
  const [, taskRows, cursors, names, incarnations, unfinishedRows] = await Promise.all([
    // Else two transactions might each hold what the other's second statement wants.
    taskIds.length > 0 && cursorsOf.length > 0 ? lockAll(connection, [...taskIds, ...cursorsOf]) : undefined,
    lockTasks(connection, taskIds),
    lockCursors(connection, cursorsOf),
    findNames(connection, looksForNames ? gather((command) => command.needs.names) : []),
    needsIncarnations ? findIncarnations(connection) : new Map<number, string>(),
    lockUnfinished(connection, gather((command) => command.needs.unfinishedOf).sort(ascending)),
  ]);
  const executions = new Map<string, ExecutionRow>();
  const webhooks = new Map<number, Webhook>();
  const unfinished = new Map<number, ExecutionRow[]>();
  const view: WriteView = {
    // After the wait for the tasks' locks: what is due is judged by it.
    nowMs: clock.nowMs(),
    tasks: new Map(taskRows.map((row) => [row.id, row])),
    cursors: new Map(cursors.map((row) => [row.id, row])),
    names,
    incarnations,
    webhooks,
    execution: (key) => executions.get(executionKeyText(key)),
    unfinishedOf: (taskId) => unfinished.get(taskId) ?? [],
  };
  for (const row of unfinishedRows) {
    executions.set(executionKeyText(row), row);
    unfinished.set(row.taskId, [...(unfinished.get(row.taskId) ?? []), row]);
  }
  const keys = new Map<string, ExecutionKey>();
  for (const command of commands) {
    for (const key of command.executionsNeeded?.(view) ?? []) keys.set(executionKeyText(key), key);
  }
  const sorted = [...keys.values()].sort((a, b) => a.taskId - b.taskId || a.scheduledTimeMs - b.scheduledTimeMs);
  const calling = new Set(commands.flatMap((command) => command.webhooksNeeded?.(view) ?? []));
  const [found, foundWebhooks, answers] = await Promise.all([
    findExecutions(connection, sorted, { lock: true }),
    findWebhooks(connection, [...calling]),
    // After the tasks' locks: whoever sees what a request has changed, maybe after waiting for it, sees its answer too.
    findAnswers(
      connection,
      commands.flatMap((command) => (command.request === undefined ? [] : [command.request.id])),
    ),
  ]);
  for (const [id, webhook] of foundWebhooks) webhooks.set(id, webhook);
  for (const row of found) executions.set(executionKeyText(row), row);
  return { view, answers, executions };
}

/**
 * What needs the tasks' own statements: those whose ids come from the database, and those that users changed. One waits for
 * the other: where a deadlock has ended the transaction, a statement that was sent behind it would commit by itself.
 */
async function writeTasks(connection: SqlConnection, stage: WriteStage): Promise<AssignedIds> {
  const created = rowsOf(stage, "CREATED");
  const ids = await insertTasks(connection, created);
  await updateTasks(connection, rowsOf(stage, "UPDATED"));
  const tasks = new Map<string, Task>();
  for (const row of created) {
    const id = ids.get(row.name);
    if (id === undefined) throw new Error("an inserted row came back without its id");
    tasks.set(row.name, taskToProto({ ...row, id }));
  }
  return { created: (row) => tasks.get(row.name) ?? taskToProto(row) };
}

function rowsOf(stage: WriteStage, kind: StagedTaskChange["kind"]): TaskRow[] {
  return stage.taskChanges.filter((change) => change.kind === kind).map((change) => change.row);
}

/** What is to be kept for a request that may be sent again; none for one that was refused, or answered before. */
function newAnswer(command: AnyCommand, verdict?: Verdict, outcome?: CommandOutcome): StoredAnswer[] {
  if (command.request === undefined || verdict === undefined || !("decision" in verdict)) return [];
  if (outcome === undefined || !("answer" in outcome)) return [];
  const { id, fingerprint, encode } = command.request;
  return [{ requestId: id.toLowerCase(), fingerprint, answer: encode(outcome.answer) }];
}

/**
 * How the counts of executions change. Each that is written was read, and is locked, or is new: what it was before is
 * known. Their rows are shared by all writers, so they are locked as late as the counter is.
 */
function deltasOf(stage: WriteStage, before: ReadonlyMap<string, ExecutionRow>): StatDelta[] {
  const deltas = new StatDeltas();
  for (const [key, row] of [...stage.executions, ...stage.endings]) {
    const known = before.get(key);
    // A row in a state that nobody knows is in none of the counts.
    deltas.change(known?.damaged?.includes("state") ? undefined : known, row);
  }
  return deltas.sorted();
}

function changesOf(stage: WriteStage, ids: AssignedIds): NewSegment[] {
  const tasks: TaskChange[] = stage.taskChanges.map((change) =>
    taskChange(change, change.kind === "CREATED" ? ids.created(change.row) : taskToProto(change.row)),
  );
  const rows = [...stage.executions.values(), ...stage.endings.values()];
  const executions: ExecutionChange[] = rows.map(executionChange);
  return [...encodeTaskChanges(tasks), ...encodeExecutionChanges(executions)];
}
