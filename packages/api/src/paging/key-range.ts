import { joinSql, type Sql, sql } from "../database/sql.js";

/** A part of an index: where a page's keys are looked for, and in which order its rows are had. */
export interface KeyRange {
  /** The key's columns, and what is sorted by, under the names that `orderBy` uses. */
  readonly key: Sql;
  /** Tables, the first with its index, in the order in which they are joined. */
  readonly from: Sql;
  readonly where: readonly Sql[];
}

/**
 * The first keys of several ranges in one order. Where the index has that order, no more is read of each range than a
 * page; where not, the server keeps the first ones while it reads the range.
 */
export function firstKeys(ranges: readonly KeyRange[], orderBy: Sql, limit: number): Sql {
  const parts = ranges.map(({ key, from, where }) => {
    return sql`SELECT ${key} FROM ${from}${condition(where)} ORDER BY ${orderBy} LIMIT ${limit}`;
  });
  const [only] = parts;
  if (only !== undefined && parts.length === 1) return only;
  const all = parts.map((part) => sql`(${part})`);
  return sql`${joinSql(all, " UNION ALL ")} ORDER BY ${orderBy} LIMIT ${limit}`;
}

/** How many rows there are in ranges that share none, each of them counted no further than the limit. */
export function countRows(ranges: readonly Omit<KeyRange, "key">[], limit: number): Sql {
  const counts = ranges.map(({ from, where }) => {
    return sql`(SELECT COUNT(*) FROM (SELECT 1 FROM ${from}${condition(where)} LIMIT ${limit}) AS counted)`;
  });
  return counts.length === 0 ? sql`0` : joinSql(counts, " + ");
}

function condition(where: readonly Sql[]): Sql {
  return where.length === 0 ? sql`` : sql` WHERE ${joinSql(where, " AND ")}`;
}
