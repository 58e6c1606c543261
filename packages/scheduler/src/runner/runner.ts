import type { HeldClaim, Outcome } from "../claims/held-claim.js";

/** Runs what a claim stands for. Never rejects: a failure is an outcome. */
export interface Runner {
  run(claim: HeldClaim): Promise<Outcome>;
}

/** A reminder calls nobody: that its time has come is its execution. */
export function createReminderRunner(nowMs: () => number): Runner {
  return {
    async run({ scheduledTimeMs }) {
      const atMs = Math.max(Math.floor(nowMs()), scheduledTimeMs);
      return { succeeded: true, startTimeMs: atMs, endTimeMs: atMs, error: "" };
    },
  };
}
