import { format } from "node:util";
import { prettyFactory } from "pino-pretty";
import { Counter, type Registry } from "prom-client";
import { LineOutput } from "./line-output.js";
import { createLogger, type Logger } from "./logger.js";
import { forgetLostTerminals } from "./lost-terminals.js";
import { createStandardOutput } from "./standard-output.js";

export interface ProcessLogOptions {
  /** The process, as it is named in each line. */
  readonly name: string;
  /** One of pino's levels. */
  readonly level: string;
}

export interface ProcessLog {
  readonly logger: Logger;
  /** Adds the counter of lines that standard output did not take. */
  measure(registry: Registry): void;
}

/** How long the end of the process waits for a reader that is behind. */
const LAST_LINES_MS = 500;

/**
 * Logs to standard output: JSON lines, or lines for people where it is a terminal. The process never waits for the
 * output and never ends because of it (full disk, stalled reader, closed pipe). Warnings of Node.js and what libraries
 * print become lines of the log, since they would be written to standard error, and waited for.
 */
export function openProcessLog({ name, level }: ProcessLogOptions): ProcessLog {
  const output = new LineOutput({
    descriptor: createStandardOutput(),
    onDropped: (lines) => gapLogger.warn({ lines }, "log lines were dropped: standard output did not take them"),
  });
  const logger = createLogger({ name, level, destination: process.stdout.isTTY ? prettyOutput(output) : output });
  // A gap is told at every level but `silent`.
  const gapLogger = logger.child({}, { level: level === "silent" ? level : "warn" });
  process.on("exit", () => output.flush(LAST_LINES_MS));
  forgetLostTerminals();
  for (const stream of [process.stdout, process.stderr]) stream.on("error", () => undefined);
  logWarnings(logger);
  logConsole(logger);
  return {
    logger,
    measure(registry) {
      new Counter({
        name: `taskscheduler_${name}_log_lines_dropped_total`,
        help: "Lines of the log that standard output did not take.",
        registers: [registry],
        collect() {
          this.reset();
          this.inc(output.droppedLines);
        },
      });
    },
  };
}

function prettyOutput(output: LineOutput) {
  const toPretty = prettyFactory({ ignore: "pid,hostname", translateTime: "SYS:HH:MM:ss.l" });
  return { write: (line: string): void => output.write(toPretty(line)) };
}

/** Takes the place of the listener of Node.js. Where there is none, `--no-warnings` was asked for. */
function logWarnings(logger: Logger): void {
  if (process.listenerCount("warning") === 0) return;
  process.removeAllListeners("warning");
  process.on("warning", (err) => logger.warn({ err }, "Node.js warns"));
}

function logConsole(logger: Logger): void {
  for (const method of ["error", "warn"] as const) {
    console[method] = (...words: unknown[]) => logger.warn(`printed: ${format(...words)}`);
  }
  for (const method of ["log", "info", "debug"] as const) {
    console[method] = (...words: unknown[]) => logger.debug(`printed: ${format(...words)}`);
  }
}
