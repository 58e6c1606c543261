/** True under `npm run test:faults`, which gives each fault its long form. */
export const isSoak = process.env["TEST_SOAK"] === "true";

/** A length of a fault test: the long one under `npm run test:faults`, else the short one. */
export function soakOr(long: number, short: number): number {
  return isSoak ? long : short;
}
