import { EXECUTION_STATES, type ExecutionRow, type ExecutionState, latencyBin } from "@taskscheduler/domain";

/** What `execution_stats` counts by: the states, and by bins how late executions started and how long they took. */
export const STAT_KINDS = ["STATE", "LATENESS", "DURATION"] as const;
export type StatKind = (typeof STAT_KINDS)[number];

/** The finest time that executions are counted by; hours are counted once more, so that weeks are read as quickly. */
export const SLOT_MS = 300_000;
export const SLOT_MINUTES = 5;
export const HOUR_SLOTS = 12;
export const HOUR_MINUTES = 60;

/** More than there are bins: a cell of a slot is one small number, by which maps are quick. */
const KIND_CELLS = 512;

/** What a row of the ledger says of itself in the counts. */
export type CountedExecution = Pick<ExecutionRow, "scheduledTimeMs" | "state" | "startTimeMs" | "endTimeMs">;

/** By how much a row of `execution_stats` changes. */
export interface StatDelta {
  readonly minutes: number;
  readonly slot: number;
  readonly kind: StatKind;
  readonly bin: number;
  readonly count: number;
}

/** Adds up what a transaction changes of the counts. On the way of every claim and report: it makes nothing for a row. */
export class StatDeltas {
  readonly #slots = new Map<number, Map<number, number>>();
  #slot = Number.NaN;
  #cells = new Map<number, number>();

  /** A row comes in place of another one of its key; undefined: there was none, or is none any more. */
  change(previous: CountedExecution | undefined, next: CountedExecution | undefined): void {
    if (previous !== undefined) this.#count(previous, -1);
    if (next !== undefined) this.#count(next, 1);
  }

  #count(row: CountedExecution, by: number): void {
    const { state, startTimeMs, endTimeMs, scheduledTimeMs } = row;
    const cells = this.#cellsOf(Math.floor(scheduledTimeMs / SLOT_MS));
    add(cells, stateNumber(state), by);
    if (startTimeMs === null || !(state === "SUCCEEDED" || state === "FAILED")) return;
    add(cells, KIND_CELLS + latencyBin(startTimeMs - scheduledTimeMs), by);
    if (endTimeMs !== null) add(cells, 2 * KIND_CELLS + latencyBin(endTimeMs - startTimeMs), by);
  }

  /** Those of a group mostly share one slot. */
  #cellsOf(slot: number): Map<number, number> {
    if (slot !== this.#slot) {
      this.#slot = slot;
      this.#cells = cellsOf(this.#slots, slot);
    }
    return this.#cells;
  }

  /** What comes to more or less than before, in the order of the table's key: who shares rows locks them in one order. */
  sorted(): StatDelta[] {
    const hours = new Map<number, Map<number, number>>();
    for (const [slot, cells] of this.#slots) {
      const hour = cellsOf(hours, Math.floor(slot / HOUR_SLOTS) * HOUR_SLOTS);
      for (const [cell, count] of cells) add(hour, cell, count);
    }
    return [...inOrder(SLOT_MINUTES, this.#slots), ...inOrder(HOUR_MINUTES, hours)];
  }
}

/** The number of a state where the table counts it: its place in the column's type. */
export function stateNumber(state: ExecutionState): number {
  return STATE_NUMBERS[state];
}

const STATE_NUMBERS = Object.fromEntries(EXECUTION_STATES.map((state, index) => [state, index + 1])) as Readonly<
  Record<ExecutionState, number>
>;

function cellsOf(slots: Map<number, Map<number, number>>, slot: number): Map<number, number> {
  const known = slots.get(slot);
  if (known !== undefined) return known;
  const cells = new Map<number, number>();
  slots.set(slot, cells);
  return cells;
}

function add(cells: Map<number, number>, cell: number, count: number): void {
  cells.set(cell, (cells.get(cell) ?? 0) + count);
}

function inOrder(minutes: number, slots: ReadonlyMap<number, ReadonlyMap<number, number>>): StatDelta[] {
  const ascending = ([a]: readonly [number, unknown], [b]: readonly [number, unknown]) => a - b;
  return [...slots].sort(ascending).flatMap(([slot, cells]) =>
    [...cells]
      .filter(([, count]) => count !== 0)
      .sort(ascending)
      .map(([cell, count]) => {
        const kind = STAT_KINDS[Math.floor(cell / KIND_CELLS)] as StatKind;
        return { minutes, slot, kind, bin: cell % KIND_CELLS, count };
      }),
  );
}
