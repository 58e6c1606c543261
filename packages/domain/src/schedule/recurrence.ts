/** How a task repeats, in the order of the `recurrence` column's ENUM. */
export const RECURRENCES = ["ONCE", "DAILY", "WEEKLY", "BIWEEKLY", "MONTHLY", "QUARTERLY", "YEARLY"] as const;

export type Recurrence = (typeof RECURRENCES)[number];
