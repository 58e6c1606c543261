import { aborted } from "./aborted.js";
import type { Logger } from "./logger.js";
import type { Part } from "./part.js";
import { PortError } from "./port-error.js";
import type { ProcessSignals, SignalReactions } from "./process-signals.js";
import type { Reloaders } from "./reloaders.js";

export interface ProcessOptions {
  readonly logger: Logger;
  /** They listen already. */
  readonly signals: ProcessSignals;
  /** The files that SIGHUP reloads. */
  readonly reloaders: Reloaders;
  /** How long what is in flight may take after the signal. */
  readonly shutdownGraceMs: number;
  /** Started in this order, stopped in reverse. */
  readonly parts: readonly Part[];
  /** Called first of all when the process is told to stop: readiness goes here. */
  readonly onStopping?: () => void;
}

/** A terminal and npm both hand on a Ctrl-C: signals this close to the first are the same one. */
const SAME_SIGNAL_MS = 500;
/** What parts have, after the grace is over, to drop what is left. */
const DROP_MS = 2_000;
/** A person or a supervisor that sends one of these again is impatient. A limit of CPU time comes every second. */
const IMPATIENT_SIGNALS: readonly NodeJS.Signals[] = ["SIGTERM", "SIGINT", "SIGQUIT"];

/**
 * Runs a process from the start of its parts to its end, and ends it:
 * - with 0 after a signal to stop,
 * - with 1 when a part failed, when a part did not end within the grace, and at once on an error that nobody caught,
 * - at once with 128 and the signal's number on a second SIGTERM, SIGINT or SIGQUIT.
 *
 * Never resolves: the process ends first.
 */
export async function runProcess(options: ProcessOptions): Promise<void> {
  const { logger, signals, reloaders, shutdownGraceMs, parts, onStopping } = options;
  const stopping = new AbortController();
  let exitCode = 0;
  const stop = (): void => {
    if (stopping.signal.aborted) return;
    onStopping?.();
    stopping.abort();
  };
  endOnUncaughtErrors(logger);
  signals.react({
    stop: createStopReaction(logger, stop),
    reload() {
      if (stopping.signal.aborted) return;
      logger.info({ signal: "SIGHUP" }, "reloading");
      void reloaders.run();
    },
    ignored: createIgnoredReaction(logger),
  });

  const begun: Part[] = [];
  const fail = (error: unknown, part: Part, deed: string): void => {
    exitCode = 1;
    const detail = error instanceof PortError ? {} : { err: error };
    const reason = error instanceof Error ? error.message : String(error);
    logger.fatal({ ...detail, part: part.name }, `${part.name} could not ${deed}: ${reason}`);
  };
  for (const part of parts) {
    if (stopping.signal.aborted) break;
    begun.push(part);
    try {
      await part.start(stopping.signal);
    } catch (error) {
      if (!stopping.signal.aborted) fail(error, part, "start");
      stop();
    }
  }
  await aborted(stopping.signal);

  const grace = new AbortController();
  setTimeout(() => grace.abort(new Error("the grace is over")), shutdownGraceMs);
  setTimeout(() => {
    logger.fatal("a part did not end within the grace");
    process.exit(1);
  }, shutdownGraceMs + DROP_MS);
  for (const part of begun.reverse()) {
    await part.stop(grace.signal).catch((error: unknown) => fail(error, part, "stop"));
  }
  logger.info("stopped");
  process.exit(exitCode);
}

function endOnUncaughtErrors(logger: Logger): void {
  const end = (err: unknown): void => {
    logger.fatal({ err }, "an error that nobody caught");
    process.exit(1);
  };
  process.on("uncaughtException", end);
  process.on("unhandledRejection", end);
}

function createStopReaction(logger: Logger, stop: () => void): SignalReactions["stop"] {
  let firstAtMs: number | undefined;
  return (signal, number) => {
    const nowMs = performance.now();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      logger.info({ signal }, "stopping");
      stop();
    } else if (nowMs - firstAtMs > SAME_SIGNAL_MS && IMPATIENT_SIGNALS.includes(signal)) {
      logger.warn({ signal }, "a second signal: what is in flight is dropped");
      process.exit(128 + number);
    }
  };
}

function createIgnoredReaction(logger: Logger): SignalReactions["ignored"] {
  const seen = new Set<NodeJS.Signals>();
  return (signal) => {
    // Something may send a signal many times a second.
    logger[seen.has(signal) ? "debug" : "info"]({ signal }, "signal ignored");
    seen.add(signal);
  };
}
