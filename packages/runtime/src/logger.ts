import { type DestinationStream, type Logger, type LoggerOptions as PinoOptions, pino } from "pino";

export type { Logger } from "pino";

export interface LoggerOptions {
  /** The process, as it is named in each line. */
  readonly name: string;
  /** One of pino's levels. */
  readonly level: string;
  /** Takes the lines. Default: `process.stdout`; a process that lives long uses `openProcessLog`. */
  readonly destination?: DestinationStream;
}

/** Writes a line of JSON a message. */
export function createLogger({ name, level, destination = process.stdout }: LoggerOptions): Logger {
  const options: PinoOptions = {
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return pino(options, destination);
}
