import { fieldError } from "@taskscheduler/domain";

const DEFAULT_PAGE_SIZE = 100;
const MAX_PAGE_SIZE = 1000;

/** A count asked for by `count_total` goes no further. */
export const MAX_TOTAL_SIZE = 10_000;

/** The number of rows of a page: 100 by default, never more than 1000. Negative ones are refused by the proto's rules. */
export function pageSizeOf(requested: number): number {
  return requested === 0 ? DEFAULT_PAGE_SIZE : Math.min(requested, MAX_PAGE_SIZE);
}

export interface Order<F extends string> {
  readonly field: F;
  readonly descending: boolean;
}

/** Reads `order_by`: one of the fields, maybe followed by ` desc` or ` asc`. Empty: the first field. */
export function parseOrder<F extends string>(text: string, fields: readonly [F, ...F[]]): Order<F> {
  const [name = "", direction = "asc", ...rest] = text.trim().split(/\s+/);
  const field = name === "" ? fields[0] : fields.find((candidate) => candidate === name);
  if (field === undefined || rest.length > 0 || (direction !== "asc" && direction !== "desc")) {
    throw fieldError("order_by", `must be one of ${fields.join(", ")}, maybe followed by " desc"`);
  }
  return { field, descending: direction === "desc" };
}
