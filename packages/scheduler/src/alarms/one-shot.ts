import { scheduleJob } from "node-schedule";

/** An alarm that goes off once. */
export interface OneShot {
  cancel(): void;
}

/**
 * Calls back at a time of the wall clock, never before; undefined when that is past already.
 *
 * The traps of node-schedule end here: an invalid date would make a job for every minute, and a job that throws would
 * end the process. After the wall clock was set back, a cancelled job may fire all the same: callers guard against it.
 */
export type SetOneShot = (wallMs: number, fire: () => void, onError: (error: unknown) => void) => OneShot | undefined;

export const setOneShot: SetOneShot = (wallMs, fire, onError) => {
  const date = new Date(Math.ceil(wallMs));
  if (Number.isNaN(date.getTime())) throw new RangeError(`no alarm can be set for ${wallMs}`);
  // Dates in the past give null.
  const job = scheduleJob(date, () => {
    try {
      fire();
    } catch (error) {
      onError(error);
    }
  });
  if (job === null) return undefined;
  return { cancel: () => void job.cancel() };
};
