/** SQL with its parameters, put together from parts; what users wrote is only ever a parameter. */
export class Sql {
  constructor(
    readonly text: string,
    readonly values: readonly unknown[],
  ) {}
}

/** A template's parts: those that are SQL become text, all others parameters; a list of values is one of `IN (…)`. */
export function sql(strings: TemplateStringsArray, ...parts: readonly unknown[]): Sql {
  let text = strings[0] ?? "";
  const values: unknown[] = [];
  for (const [index, part] of parts.entries()) {
    if (part instanceof Sql) {
      text += part.text;
      values.push(...part.values);
    } else {
      text += "?";
      values.push(part);
    }
    text += strings[index + 1];
  }
  return new Sql(text, values);
}

/** Names of ours: of columns, indexes, directions. */
export function raw(text: string): Sql {
  return new Sql(text, []);
}

export function joinSql(parts: readonly Sql[], separator: " AND " | " OR " | ", " | " UNION ALL " | " + " | " "): Sql {
  return new Sql(
    parts.map((part) => part.text).join(separator),
    parts.flatMap((part) => part.values),
  );
}
