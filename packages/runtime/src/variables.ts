import { readFileSync } from "node:fs";
import { z } from "zod";
import { systemErrorCode } from "./system-error.js";

/** Schemas of variables that both processes have. Their messages repeat no value. */

/** A whole number in decimal. */
export function integerVariable({ min, max, standard }: { min: number; max: number; standard: number }) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^-?\d{1,15}$/, message)
    .transform(Number)
    .pipe(z.number().min(min, message).max(max, message))
    .default(standard);
}

/** A TCP port; 0: any that is free. */
export function portVariable(standard: number) {
  return integerVariable({ min: 0, max: 65_535, standard });
}

/** A span in milliseconds, at least `min` (default 0) and at most 10 years, unless `max` says otherwise. */
export function millisecondsVariable({ min = 0, max = 315_576_000_000, standard }: MillisecondsOptions) {
  return integerVariable({ min, max, standard });
}

interface MillisecondsOptions {
  readonly min?: number;
  readonly max?: number;
  readonly standard: number;
}

/** `true` or `false`. */
export function flagVariable(standard: boolean) {
  return z
    .enum(["true", "false"], { error: "must be true or false" })
    .transform((text) => text === "true")
    .default(standard);
}

const logLevels = ["trace", "debug", "info", "warn", "error", "fatal", "silent"] as const;

/** One of pino's levels; default `info`. */
export function logLevelVariable() {
  return z.enum(logLevels, { error: `must be one of ${logLevels.join(", ")}` }).default("info");
}

/**
 * The path of a file that is read here and now; its text is the value, without white space at the ends unless `isTrimmed`
 * is false.
 */
export function fileVariable({ isTrimmed = true }: { readonly isTrimmed?: boolean } = {}) {
  return z.string().transform((path, context) => {
    try {
      const text = readFileSync(path, "utf8");
      return isTrimmed ? text.trim() : text;
    } catch (error) {
      const code = systemErrorCode(error);
      const detail = code === undefined ? "" : ` (${code})`;
      context.addIssue({ code: "custom", message: `names a file that cannot be read${detail}` });
      return z.NEVER;
    }
  });
}
