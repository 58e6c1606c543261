import {
  type DescEnum,
  type DescField,
  type DescMessage,
  fromJson,
  type JsonObject,
  type JsonValue,
  ScalarType,
} from "@bufbuild/protobuf";
import type { FieldViolation } from "@taskscheduler/domain";
import { holdsImpossibleTime } from "./impossible-times.js";

/** As many as an error shows. */
const MAX_FAULTS = 20;
const MAX_DEPTH = 100;

/**
 * What is wrong with a request's JSON, by its fields as the proto names them. For JSON that the library has refused: its
 * error names a type, and no field; and for a day that no month has, which it takes for another. What is right is not looked into, so this takes no longer than a few readings.
 *
 * Empty: nothing that has a field is wrong, such as text that is no JSON at all.
 */
export function jsonFaults(schema: DescMessage, text: string): readonly FieldViolation[] {
  const faults: FieldViolation[] = [];
  for (const fault of faultsOf(schema, text)) if (faults.push(fault) === MAX_FAULTS) break;
  return faults;
}

function* faultsOf(schema: DescMessage, text: string): Generator<FieldViolation> {
  let json: JsonValue;
  try {
    json = JSON.parse(text);
  } catch {
    return;
  }
  if (isObject(json)) yield* messageFaults(schema, json, "");
  const twice = repeatedKey(text);
  if (twice !== undefined) yield { field: protoPath(schema, twice), description: "is given twice" };
}

function* messageFaults(schema: DescMessage, json: JsonObject, path: string): Generator<FieldViolation> {
  const seen = new Set<DescField>();
  for (const [key, value] of Object.entries(json)) {
    const field = fieldOf(schema, key);
    if (field === undefined) {
      yield { field: join(path, key), description: `is not a field of ${schema.name}` };
    } else if (seen.has(field)) {
      yield { field: join(path, field.name), description: "is given under both of its names" };
    } else if (!isReadable(schema, key, value)) {
      yield* fieldFaults(field, value, join(path, field.name));
    }
    if (field !== undefined) seen.add(field);
  }
}

function* fieldFaults(field: DescField, value: JsonValue, path: string): Generator<FieldViolation> {
  const { parent: schema, name } = field;
  if (field.fieldKind === "list") {
    if (!Array.isArray(value)) return yield { field: path, description: "must be a list" };
    for (const [index, item] of value.entries()) {
      if (!isReadable(schema, name, [item])) yield* valueFaults(field, item, `${path}[${index}]`);
    }
  } else if (field.fieldKind === "map") {
    if (!isObject(value)) return yield { field: path, description: "must be an object" };
    for (const [key, item] of Object.entries(value)) {
      if (isReadable(schema, name, { [key]: item })) continue;
      // A key is the user's own and no part of the path.
      for (const fault of valueFaults(field, item, path)) {
        yield { ...fault, description: `${JSON.stringify(key)}: ${fault.description}` };
      }
    }
  } else {
    yield* valueFaults(field, value, path);
  }
}

/** Of a value that cannot be read: of a field, or an item of a list or a map. */
function* valueFaults(field: DescField, value: JsonValue, path: string): Generator<FieldViolation> {
  if (field.message !== undefined && WELL_KNOWN[field.message.typeName] === undefined && isObject(value)) {
    yield* messageFaults(field.message, value, path);
  } else {
    yield { field: path, description: wanted(field, value) };
  }
}

function isReadable(schema: DescMessage, key: string, value: JsonValue): boolean {
  try {
    fromJson(schema, { [key]: value });
    const field = fieldOf(schema, key);
    return field === undefined || !holdsImpossibleTime(field, value);
  } catch {
    return false;
  }
}

const WELL_KNOWN: Readonly<Record<string, string>> = {
  "google.protobuf.Timestamp":
    'must be a time of a day that exists, years 1 to 9999, as RFC 3339 writes it, such as "2100-01-31T09:30:00Z"',
  "google.protobuf.Duration": 'must be seconds, such as "3.5s"',
  "google.protobuf.FieldMask": 'must be fields in lowerCamelCase, separated by commas, such as "name,timeZone"',
};

function wanted(field: DescField, value: JsonValue): string {
  if (field.message !== undefined) return WELL_KNOWN[field.message.typeName] ?? "must be an object";
  if (field.enum !== undefined) return `must be one of ${enumNames(field.enum)}`;
  if (typeof value === "string" && /\p{Surrogate}/u.test(value)) return "must not hold half of a surrogate pair";
  return (field.scalar === undefined ? undefined : SCALARS[field.scalar]) ?? "must be a string of whole characters";
}

/** The value for "unspecified" is what leaving the field out means. */
function enumNames(desc: DescEnum): string {
  const named = desc.values.filter((value) => value.number !== 0);
  return named.map((value) => value.name).join(", ");
}

const INT32 = "must be a whole number from -2147483648 to 2147483647";
const UINT32 = "must be a whole number from 0 to 4294967295";
const INT64 = 'must be a whole number of 64 bits, best as a string, such as "42"';
const NUMBER = "must be a number";

const SCALARS: Readonly<Partial<Record<ScalarType, string>>> = {
  [ScalarType.STRING]: "must be a string",
  [ScalarType.BOOL]: "must be true or false",
  [ScalarType.BYTES]: "must be base64",
  ...{ [ScalarType.DOUBLE]: NUMBER, [ScalarType.FLOAT]: NUMBER },
  ...{ [ScalarType.INT32]: INT32, [ScalarType.SINT32]: INT32, [ScalarType.SFIXED32]: INT32 },
  ...{ [ScalarType.UINT32]: UINT32, [ScalarType.FIXED32]: UINT32 },
  ...{ [ScalarType.INT64]: INT64, [ScalarType.SINT64]: INT64, [ScalarType.SFIXED64]: INT64 },
  ...{ [ScalarType.UINT64]: INT64, [ScalarType.FIXED64]: INT64 },
};

type Step = string | number;

interface Open {
  /** The keys so far; undefined: a list. */
  readonly keys?: Set<string>;
  step: Step;
}

/** Where an object first has a key twice, in text that is JSON: parsed, it would have the last one alone. */
function repeatedKey(text: string): readonly Step[] | undefined {
  const open: Open[] = [];
  let isKeyNext = false;
  for (const token of tokensOf(text)) {
    const top = open.at(-1);
    // No message of ours is as deep: what such a text is wrong in has been found by then.
    if (open.length > MAX_DEPTH) return undefined;
    if (token === "{") open.push({ keys: new Set(), step: "" });
    else if (token === "[") open.push({ step: 0 });
    else if (token === "}" || token === "]") open.pop();
    else if (token === "," && top !== undefined && typeof top.step === "number") top.step += 1;
    else if (isKeyNext && top?.keys !== undefined && token !== ",") {
      top.step = JSON.parse(token) as string;
      if (top.keys.has(top.step)) return open.map(({ step }) => step);
      top.keys.add(top.step);
    }
    isKeyNext = token === "{" || (token === "," && top?.keys !== undefined);
  }
  return undefined;
}

/** Strings, and what objects and lists are made of. Strings are not left to the pattern, whose stack megabytes exceed. */
function* tokensOf(text: string): Generator<string> {
  const marks = /["{}[\],]/g;
  for (let mark = marks.exec(text); mark !== null; mark = marks.exec(text)) {
    if (mark[0] !== '"') {
      yield mark[0];
      continue;
    }
    let end = text.indexOf('"', mark.index + 1);
    while (isEscaped(text, end)) end = text.indexOf('"', end + 1);
    yield text.slice(mark.index, end + 1);
    marks.lastIndex = end + 1;
  }
}

function isEscaped(text: string, index: number): boolean {
  let backslashes = 0;
  while (text[index - 1 - backslashes] === "\\") backslashes += 1;
  return backslashes % 2 === 1;
}

/** The path in the proto's names; what follows a map or a value of its own form is the user's, and left out. */
function protoPath(schema: DescMessage, steps: readonly Step[]): string {
  let path = "";
  let message: DescMessage | undefined = schema;
  for (const step of steps) {
    if (typeof step === "number") {
      path = `${path}[${step}]`;
      continue;
    }
    if (message === undefined) break;
    const field: DescField | undefined = fieldOf(message, step);
    path = join(path, field?.name ?? step);
    message = field?.fieldKind === "map" ? undefined : field?.message;
  }
  return path;
}

function fieldOf(schema: DescMessage, key: string): DescField | undefined {
  return schema.fields.find(({ name, jsonName }) => name === key || jsonName === key);
}

function join(path: string, name: string): string {
  return path === "" ? name : `${path}.${name}`;
}

function isObject(json: JsonValue): json is JsonObject {
  return typeof json === "object" && json !== null && !Array.isArray(json);
}
