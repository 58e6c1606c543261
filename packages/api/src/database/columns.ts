import "reflect-metadata";
import { DataTypes } from "sequelize";
import { getAttributes, type Model } from "sequelize-typescript";

/** How a table's whole rows are read by statements that are written out. */
export interface RowShape {
  /** All columns under the names of the model's attributes. */
  readonly columns: string;
  /** The attributes that are instants. */
  readonly instants: readonly string[];
}

export function shapeOf(model: abstract new () => Model): RowShape {
  const attributes: Record<string, { field?: string; type?: unknown }> = getAttributes(model.prototype) ?? {};
  const entries = Object.entries(attributes);
  return {
    columns: entries.map(([name, { field = name }]) => `\`${field}\` AS \`${name}\``).join(", "),
    instants: entries.filter(([, { type }]) => type instanceof DataTypes.DATE).map(([name]) => name),
  };
}
