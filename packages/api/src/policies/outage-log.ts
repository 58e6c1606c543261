import { type ErrorReason, ServiceError } from "@taskscheduler/domain";
import { type Logger, LogPace } from "@taskscheduler/runtime";

/** An operator must act on an "error". The API gets over a "warn" by itself. */
const LEVELS: Partial<Record<ErrorReason, "warn" | "error">> = {
  DATABASE_UNAVAILABLE: "warn",
  DATABASE_MISCONFIGURED: "error",
  DATABASE_FULL: "error",
  IDS_EXHAUSTED: "error",
};

const INTERVAL_MS = 10_000;

/** Logs why the database fails calls, once in 10 s for each reason. */
export interface OutageLog {
  tell(error: unknown, method: string): void;
}

export function createOutageLog(logger: Logger): OutageLog {
  const pace = new LogPace({ intervalMs: INTERVAL_MS });
  return {
    tell(error, method) {
      if (!(error instanceof ServiceError)) return;
      const { reason, cause } = error;
      const level = LEVELS[reason];
      if (level === undefined) return;
      const taken = pace.take(reason);
      if (taken === undefined) return;
      logger[level]({ err: cause ?? error, reason, method, leftOut: taken.leftOut }, "the database fails calls");
    },
  };
}
