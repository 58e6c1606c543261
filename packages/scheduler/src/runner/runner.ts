import type { HeldClaim, Outcome } from "../claims/held-claim.js";

/** Runs what a claim stands for. Never rejects: a failure is an outcome. Times are the server's. */
export interface Runner {
  run(claim: HeldClaim): Promise<Outcome>;
}
