import { type DescField, type DescMessage, ScalarType } from "@bufbuild/protobuf";

/** A text somewhere in a message: of a field, of a list's element, of a map's key or of its value. */
export interface StringPath {
  /** As errors name the field: `task.labels`, `tasks[0].name`. */
  readonly field: string;
  /** Tells a map's keys from its values. */
  readonly name: string;
  /** Puts a text there, beside what a request holds already. */
  place(request: object, text: string): object;
}

/** Every text that a message can hold, also in messages within it; of a list in its first element. */
export function stringPathsOf(message: DescMessage): StringPath[] {
  return message.fields.flatMap(pathsOfField);
}

function pathsOfField(field: DescField): StringPath[] {
  const { name, localName } = field;
  const at = (path: Omit<StringPath, "place">, put: (held: unknown, text: string) => unknown): StringPath => ({
    ...path,
    place: (request, text) => ({ ...request, [localName]: put(Reflect.get(request, localName), text) }),
  });
  const within = (inner: StringPath, prefix: string, put: (held: unknown, text: string) => unknown) =>
    at({ field: `${prefix}.${inner.field}`, name: `${prefix}.${inner.name}` }, put);
  if (field.fieldKind === "scalar") {
    return field.scalar === ScalarType.STRING ? [at({ field: name, name }, (_, text) => text)] : [];
  }
  if (field.fieldKind === "message") {
    return stringPathsOf(field.message).map((inner) =>
      within(inner, name, (held, text) => inner.place(Object(held ?? {}), text)),
    );
  }
  if (field.fieldKind === "map" && field.scalar === ScalarType.STRING) {
    return [
      at({ field: name, name: `${name}, a key` }, (_, text) => Object.fromEntries([[text, "v"]])),
      at({ field: name, name: `${name}, a value` }, (_, text) => ({ k: text })),
    ];
  }
  if (field.fieldKind === "list" && field.listKind === "message") {
    return stringPathsOf(field.message).map((inner) =>
      within(inner, `${name}[0]`, (held, text) => [inner.place(Array.isArray(held) ? held[0] : {}, text)]),
    );
  }
  if (field.fieldKind === "list" && field.listKind === "scalar" && field.scalar === ScalarType.STRING) {
    return [at({ field: `${name}[0]`, name: `${name}[0]` }, (_, text) => [text])];
  }
  return [];
}
