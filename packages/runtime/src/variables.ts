import { X509Certificate } from "node:crypto";
import { z } from "zod";
import { readTextFile, TextFileError } from "./text-file.js";

/** Schemas of variables that both processes have. Their messages repeat no value. */

/** A whole number in decimal digits alone. */
export function integerVariable({ min, max, standard }: { min: number; max: number; standard: number }) {
  const message = `must be a whole number from ${min} to ${max}`;
  return z
    .string()
    .regex(/^\d{1,15}$/, message)
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

/** A host name or an IP address to listen on. */
export function hostVariable() {
  return z
    .string()
    .regex(/^[A-Za-z0-9_.:%-]{1,255}$/, "must be a host name or an IP address")
    .default("127.0.0.1");
}

/**
 * The path of a file. The file is read here and now, and its text is the value, without white space at the ends unless
 * `isTrimmed` is false.
 */
export function fileVariable({ isTrimmed = true }: { readonly isTrimmed?: boolean } = {}) {
  return z.string().transform((path, context) => {
    try {
      const text = readTextFile(path);
      return isTrimmed ? text.trim() : text;
    } catch (error) {
      if (!(error instanceof TextFileError)) throw error;
      context.addIssue({ code: "custom", message: error.message });
      return z.NEVER;
    }
  });
}

/** The path of a file of certificates in PEM. The file is read here and now, and its text is the value. */
export function certificatesVariable() {
  return fileVariable().refine(holdsCertificates, "names a file that must hold certificates in PEM");
}

/** OpenSSL passes over what it cannot read, and would then trust nobody without saying why. */
function holdsCertificates(text: string): boolean {
  const [, ...certificates] = text.split("-----BEGIN CERTIFICATE-----");
  return certificates.length > 0 && certificates.every((rest) => isCertificate(`-----BEGIN CERTIFICATE-----${rest}`));
}

function isCertificate(pem: string): boolean {
  try {
    new X509Certificate(pem);
    return true;
  } catch {
    return false;
  }
}
