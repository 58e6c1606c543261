import { DatabaseRefusal } from "../database-refusal.js";

/** One reason why a schema is refused. Shown to operators alone. */
export interface SchemaFault {
  /** A clause that names the table, the column or the step. */
  readonly fault: string;
  /** A sentence that says what to do. */
  readonly remedy: string;
}

/**
 * The database holds a schema that this release must not work on. Trying again helps only after somebody has changed the
 * database, or started another release. Nothing was changed. The message is one paragraph: every fault, then the remedies.
 */
export class SchemaRefusedError extends DatabaseRefusal {
  readonly faults: readonly SchemaFault[];

  /** @param faults at least one */
  constructor(faults: readonly SchemaFault[]) {
    const remedies = [...new Set(faults.map(({ remedy }) => remedy))];
    super(`the schema is refused: ${faults.map(({ fault }) => fault).join("; ")}. ${remedies.join(" ")}`);
    this.faults = faults;
  }
}

/** @throws SchemaRefusedError where there is a fault */
export function refuseIf(faults: readonly SchemaFault[]): void {
  if (faults.length > 0) throw new SchemaRefusedError(faults);
}
