import { fieldError } from "@taskscheduler/domain";
import { databaseUnavailable } from "../database/database-error.js";
import { expired, type LogReader } from "./change-log.js";

const FORM = /^([0-9a-f]{16})-(0|[1-9][0-9]{0,15})$/;
/** A token ahead of what this process has read is another process's: its commit arrives within moments. */
const AHEAD_WAIT_MS = 5_000;

export function formatResumeToken(epoch: string, revision: number): string {
  return `${epoch}-${revision}`;
}

/**
 * The revision that a token resumes after; undefined for an empty one. Throws INVALID_RESUME_TOKEN for what was never a
 * token, and RESUME_TOKEN_EXPIRED for one of another database or of a state that a restored backup took back.
 */
export async function readResumeToken(
  log: LogReader,
  token: string,
  isLive: () => boolean,
  signal: AbortSignal,
): Promise<number | undefined> {
  if (token === "") return undefined;
  const match = FORM.exec(token);
  if (match === null) {
    throw fieldError("resume_token", "must be a resume_token of an earlier event, or empty", "INVALID_RESUME_TOKEN");
  }
  const revision = Number(match[2]);
  if (match[1] !== log.epoch) throw expired();
  const deadline = performance.now() + AHEAD_WAIT_MS;
  while (log.head() < revision) {
    const leftMs = deadline - performance.now();
    if (leftMs <= 0) throw isLive() ? expired() : databaseUnavailable();
    await log.beyond(revision - 1, leftMs, signal);
  }
  return revision;
}
