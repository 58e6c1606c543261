import type { Connect } from "../connector.js";
import type { SqlConnection } from "../database.js";
import { type LockWait, MigrationLock, waitForServerLock } from "./migration-lock.js";
import { type Direction, planMigration, requireFreeNames, requireNewest } from "./migration-plan.js";
import { closeSession, execute, joinCluster, openSession } from "./migration-session.js";
import { type MigrationStep, readSteps } from "./migration-step.js";
import { prepareRecords, recordBegun, recordDone, removeRecord } from "./step-records.js";

/**
 * Brings the database to the newest schema (`up`) or undoes the last step (`down`). Any number may run at once, at any
 * nodes of a cluster: one works, and the others wait. A step that has begun is taken to its end.
 *
 * @returns the names of the steps taken
 * @throws SchemaRefusedError when the database holds a newer schema, or what is not ours under our names; nothing is
 *   changed then. Error when the wait takes too long. The signal's reason when it aborts during the wait.
 */
export async function migrate(
  connect: Connect,
  folder: string,
  direction: Direction,
  wait?: LockWait,
): Promise<string[]> {
  const steps = await readSteps(folder);
  const connection = await openSession(connect);
  try {
    const node = await joinCluster(connection);
    await waitForServerLock(connection, wait);
    // Nothing is written before the plan is made.
    const { records, due } = await planMigration(connection, steps, direction);
    if (due.length === 0) return [];
    if (records.shape !== "current") await prepareRecords(connection);
    const lock = new MigrationLock({ connection, node, open: () => openSession(connect) });
    await lock.acquire(wait);
    try {
      return await takeSteps(connection, steps, direction, lock);
    } finally {
      // A lock that stays is taken over by the next migrator.
      await lock.release().catch(() => undefined);
    }
  } finally {
    // Ends the server lock as well.
    await closeSession(connection);
  }
}

/** Whether the database lacks a step of this release. Reads alone. @throws SchemaRefusedError */
export async function hasPendingSteps(connect: Connect, folder: string): Promise<boolean> {
  const steps = await readSteps(folder);
  const connection = await openSession(connect);
  try {
    return (await planMigration(connection, steps, "up")).due.length > 0;
  } finally {
    await closeSession(connection);
  }
}

/**
 * Checks that the schema is the newest. Reads alone: the account may have no right to change the schema.
 *
 * @throws SchemaRefusedError
 */
export async function checkSchema(connect: Connect, folder: string): Promise<void> {
  const steps = await readSteps(folder);
  const connection = await openSession(connect);
  try {
    await requireNewest(connection, steps);
  } finally {
    await closeSession(connection);
  }
}

/** The plan is made again, because a migrator at another node may have worked since. */
async function takeSteps(
  connection: SqlConnection,
  steps: readonly MigrationStep[],
  direction: Direction,
  lock: MigrationLock,
): Promise<string[]> {
  const { due } = await planMigration(connection, steps, direction);
  for (const each of due) {
    const { step } = each;
    await requireFreeNames(connection, each);
    await recordBegun(connection, step.name);
    for (const statement of step[direction]) {
      await lock.requireHeld();
      await execute(connection, statement);
    }
    if (direction === "up") await recordDone(connection, step.name, step.isCompatible);
    else await removeRecord(connection, step.name);
  }
  return due.map(({ step }) => step.name);
}
