import { fault, type Parsed } from "./rest-fault.js";

/** An integer of a path or a query, as pydantic reads it: `5`, `+5`, `5.0`. */
export function parseInteger(text: string): Parsed<number> {
  if (!/^[+-]?\d+(\.0+)?$/.test(text.trim())) {
    return fault("int_parsing", "Input should be a valid integer, unable to parse string as an integer");
  }
  const value = Number(text);
  if (Number.isSafeInteger(value)) return { value };
  return fault("int_parsing_size", "Unable to parse input string as an integer, exceeded maximum size");
}

/** An integer between two bounds, both included. */
export function parseIntegerBetween(text: string, min: number, max: number): Parsed<number> {
  const parsed = parseInteger(text);
  if ("fault" in parsed) return parsed;
  if (parsed.value < min) return fault("greater_than_equal", `Input should be greater than or equal to ${min}`);
  if (parsed.value > max) return fault("less_than_equal", `Input should be less than or equal to ${max}`);
  return parsed;
}
