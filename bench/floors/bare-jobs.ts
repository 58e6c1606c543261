import { scheduleJob } from "node-schedule";
import { serve } from "../child.js";

/** node-schedule by itself, a job for each: nothing is stored, claimed or recorded. */
export interface JobsOrder {
  readonly count: number;
  readonly intervalMs: number;
}

const LEAD_MS = 5_000;

/** @returns how late each job ran, in milliseconds */
function runJobs({ count, intervalMs }: JobsOrder): Promise<number[]> {
  return new Promise((resolve, reject) => {
    const latenessesMs: number[] = [];
    const firstMs = Date.now() + LEAD_MS;
    for (let index = 0; index < count; index += 1) {
      const dueMs = firstMs + index * intervalMs;
      const job = scheduleJob(new Date(dueMs), () => {
        latenessesMs.push(Date.now() - dueMs);
        if (latenessesMs.length === count) resolve(latenessesMs);
      });
      if (job === null) return reject(new Error("the time of a job had gone by before it was set"));
    }
  });
}

serve(runJobs);
