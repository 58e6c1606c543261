import { type DestinationStream, type Logger, type LoggerOptions as PinoOptions, pino } from "pino";
import { PinoPretty } from "pino-pretty";

export type { Logger } from "pino";

export interface LoggerOptions {
  /** The process, as it is named in each line. */
  readonly name: string;
  /** One of pino's levels. */
  readonly level: string;
  /** Where the lines go; default: standard output, for people where that is a terminal. */
  readonly destination?: DestinationStream;
}

/** Writes a line of JSON a message, at once: nothing is lost when the process ends. */
export function createLogger({ name, level, destination = standardOutput() }: LoggerOptions): Logger {
  const options: PinoOptions = {
    name,
    level,
    timestamp: pino.stdTimeFunctions.isoTime,
    formatters: { level: (label) => ({ level: label }) },
  };
  return pino(options, destination);
}

function standardOutput(): DestinationStream {
  if (!process.stdout.isTTY) return pino.destination({ dest: 1, sync: true });
  return PinoPretty({ sync: true, ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" });
}
