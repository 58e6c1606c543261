import "reflect-metadata";
import { getAttributes, type Model } from "sequelize-typescript";

/** All columns of a model under the names of its attributes, for statements that are written out. */
export function columnsOf(model: abstract new () => Model): string {
  const attributes: Record<string, { field?: string }> = getAttributes(model.prototype) ?? {};
  const columns = Object.entries(attributes).map(([name, { field = name }]) => `\`${field}\` AS \`${name}\``);
  return columns.join(", ");
}
