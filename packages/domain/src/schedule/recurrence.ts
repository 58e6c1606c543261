/** The fixed recurrences, in the order of the `recurrence` column's ENUM. `ONCE` is a single time. */
export const RECURRENCES = ["ONCE", "DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"] as const;

export type Recurrence = (typeof RECURRENCES)[number];
