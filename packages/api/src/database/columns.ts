import "reflect-metadata";
import { getAttributes, type Model } from "sequelize-typescript";
import type { ColumnReader } from "./column-readers.js";
import { raw, type Sql } from "./sql.js";

/** A column as statements read it. */
export interface Column {
  /** The property of a row. */
  readonly attribute: string;
  /** The column's name in the database. */
  readonly field: string;
  /** The expression to select. Default: the column itself. */
  readonly expression?: string;
  readonly reader: ColumnReader<unknown>;
}

/** How a table's rows are read by statements that are written out. */
export interface RowShape {
  readonly table: string;
  /** The attributes that name a row: a row without one of them cannot be shown. */
  readonly key: readonly string[];
  readonly columns: readonly Column[];
  /** The columns as a SELECT lists them. */
  readonly select: Sql;
}

/** A reader for each attribute of a row. Reading itself finds `damaged`. */
export type RowReaders<R> = { readonly [A in keyof Omit<R, "damaged">]-?: ColumnReader<R[A]> };

export function createRowShape(table: string, key: readonly string[], columns: readonly Column[]): RowShape {
  const selected = columns.map(
    ({ attribute, field, expression = `\`${field}\`` }) => `${expression} AS \`${attribute}\``,
  );
  return { table, key, columns, select: raw(selected.join(", ")) };
}

/** The shape of a model's whole rows. */
export function shapeOf<R>(
  model: abstract new () => Model,
  table: string,
  key: readonly (keyof R & string)[],
  readers: RowReaders<R>,
): RowShape {
  const attributes: Record<string, { field?: string }> = getAttributes(model.prototype) ?? {};
  const byAttribute: Readonly<Record<string, ColumnReader<unknown>>> = { ...readers };
  const columns = Object.entries(attributes).map(([attribute, { field = attribute }]): Column => {
    const reader = byAttribute[attribute];
    if (reader === undefined) throw new Error(`no reader for ${table}.${field}`);
    return { attribute, field, reader };
  });
  return createRowShape(table, key, columns);
}
