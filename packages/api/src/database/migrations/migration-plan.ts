import { isDeepStrictEqual } from "node:util";
import type { SqlConnection } from "../database.js";
import { isTransient } from "../database-error.js";
import { type FoundObjects, findObjects } from "./found-objects.js";
import type { MigrationStep } from "./migration-step.js";
import { findOriginalFaults } from "./original-table.js";
import { isSameObject, type SchemaObject } from "./schema-object.js";
import { refuseIf, type SchemaFault, SchemaRefusedError } from "./schema-refused-error.js";
import { readRecords, type StepRecords } from "./step-records.js";

export type Direction = "up" | "down";

export interface MigrationPlan {
  readonly records: StepRecords;
  /** The steps to take, in their order. */
  readonly due: readonly DueStep[];
}

export interface DueStep {
  readonly step: MigrationStep;
  /** The objects that the step makes. Nobody else may have made them before. */
  readonly claims: readonly SchemaObject[];
}

/** Each costs a few reads, and a step seldom begins between two of them. */
const ATTEMPTS = 10;
const OWN_DATABASE = "Give TaskScheduler a database of its own, or rename what is not its own.";

/**
 * Compares the steps of this release with what is recorded and with what is there. Reads alone.
 *
 * @throws SchemaRefusedError with every fault
 */
export async function planMigration(
  connection: SqlConnection,
  steps: readonly MigrationStep[],
  direction: Direction,
): Promise<MigrationPlan> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryToPlan(connection, steps, direction);
    } catch (error) {
      // Another node's change of a table ends what reads it.
      if (attempt === ATTEMPTS || !(error instanceof RecordsChanged || isTransient(error))) throw error;
    }
  }
}

/** A migrator at another node began a step while its names were looked up. */
class RecordsChanged extends Error {}

async function tryToPlan(
  connection: SqlConnection,
  steps: readonly MigrationStep[],
  direction: Direction,
): Promise<MigrationPlan> {
  const found = await findObjects(connection);
  const records = await readRecords(connection, found);
  const due = direction === "up" ? claimNames(steps, records, found) : findLast(steps, records);
  const faults = [
    ...findRecordFaults(steps, records, direction),
    ...(direction === "up" ? await findNameFaults(connection, found, due) : []),
  ];
  if (faults.length > 0) {
    const later = await readRecords(connection, await findObjects(connection));
    throw isDeepStrictEqual(records, later) ? new SchemaRefusedError(faults) : new RecordsChanged();
  }
  return { records, due };
}

/** @throws SchemaRefusedError when the schema is not the one that this release works on, or a newer compatible one */
export async function requireNewest(connection: SqlConnection, steps: readonly MigrationStep[]): Promise<void> {
  const records = await readRecords(connection, await findObjects(connection));
  refuseIf(findRecordFaults(steps, records, "up"));
  const due = findUndone(steps, records).map(({ name }) => `\`${name}\``);
  const fault = `the schema is not the newest: it lacks the steps ${due.join(", ")}, and MIGRATE_ON_START is false`;
  const remedy = "Run `npm run migrate`, or `node packages/api/dist/migrate.js`.";
  refuseIf(due.length === 0 ? [] : [{ fault, remedy }]);
}

/** @throws SchemaRefusedError when somebody else has made what a step would make */
export async function requireFreeNames(connection: SqlConnection, { claims }: DueStep): Promise<void> {
  refuseIf(await findTakenNames(await findObjects(connection), claims));
}

function findUndone(steps: readonly MigrationStep[], records: StepRecords): MigrationStep[] {
  const done = new Set(records.steps.filter(({ isDone }) => isDone).map(({ name }) => name));
  return steps.filter(({ name }) => !done.has(name));
}

function findLast(steps: readonly MigrationStep[], records: StepRecords): DueStep[] {
  const last = steps.filter(({ name }) => isRecorded(records, name)).at(-1);
  return last === undefined ? [] : [{ step: last, claims: [] }];
}

function isRecorded(records: StepRecords, name: string): boolean {
  return records.steps.some((record) => record.name === name);
}

function findRecordFaults(steps: readonly MigrationStep[], records: StepRecords, direction: Direction): SchemaFault[] {
  if (records.shape === "foreign") {
    const fault = "`schema_migrations` is not TaskScheduler's: another tool records its migrations there";
    return [{ fault, remedy: OWN_DATABASE }];
  }
  // A step down may rest on a newer one, even on one that an older release can live with.
  const unknown = records.steps.filter(
    ({ name, isDone, isCompatible }) =>
      !steps.some((step) => step.name === name) && (direction === "down" || !isDone || !isCompatible),
  );
  if (unknown.length === 0) return [];
  const names = unknown.map(({ name }) => `\`${name}\``).join(", ");
  const fault = `\`schema_migrations\` records steps that this release does not know: ${names}`;
  return [{ fault, remedy: "Use the release that took these steps, or a newer one." }];
}

/** Only what recorded steps make is ours. A step may make anew what a step before it has made. */
function claimNames(steps: readonly MigrationStep[], records: StepRecords, found: FoundObjects): DueStep[] {
  const undone = findUndone(steps, records);
  return undone.map((step, index) => {
    const before = [...steps.filter(({ name }) => isRecorded(records, name)), ...undone.slice(0, index)];
    const ours = before.flatMap(({ makes }) => makes);
    const isAdoptedTable = ({ kind, name }: SchemaObject) =>
      kind === "table" && name === step.adopts && isAdopted(step, found);
    const claims = step.makes.filter((made) => !ours.some((own) => isSameObject(own, made)) && !isAdoptedTable(made));
    return { step, claims };
  });
}

async function findNameFaults(
  connection: SqlConnection,
  found: FoundObjects,
  due: readonly DueStep[],
): Promise<SchemaFault[]> {
  const claims = due.flatMap((each) => each.claims);
  // A new table stands for its columns and keys.
  const isNew = (table: string) => claims.some(({ kind, name }) => kind === "table" && name === table);
  const names = claims.filter(({ kind, table }) => kind === "table" || kind === "foreign key" || !isNew(table));
  const isAdopting = due.some(({ step }) => isAdopted(step, found));
  return [...(await findTakenNames(found, names)), ...(isAdopting ? await findOriginalFaults(connection) : [])];
}

function isAdopted({ adopts }: MigrationStep, found: FoundObjects): boolean {
  return adopts !== undefined && found.typeOf(adopts) === "table";
}

async function findTakenNames(found: FoundObjects, names: readonly SchemaObject[]): Promise<SchemaFault[]> {
  const phrases = await found.describe(names);
  return phrases.map((phrase) => ({ fault: `${phrase} is not recorded as TaskScheduler's`, remedy: OWN_DATABASE }));
}
