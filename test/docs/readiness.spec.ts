import { readFileSync } from "node:fs";
import { join } from "node:path";
import { DATABASE_REASONS } from "../../packages/api/src/database/failure-reason.js";

const page = readFileSync(join(__dirname, "..", "..", "docs", "operations.md"), "utf8");
/** A reason without its advice, which the page gives at more length. */
const claimOf = (reason: string): string => reason.split(":", 1)[0] ?? "";

it.each(DATABASE_REASONS.map(([, reason]) => claimOf(reason)))(
  "docs/operations.md says what to check where %s",
  (claim) => {
    expect(page).toContain(`\n| ${claim} | `);
  },
);
