import type { ServiceProcess } from "./processes.js";

/** The value of a metric of a process; labels as they stand in the text: `runs_total{state="succeeded"}`. 0: not there yet. */
export async function metricOf(service: Pick<ServiceProcess, "httpUrl">, metric: string): Promise<number> {
  const text = await (await fetch(`${service.httpUrl}/metrics`)).text();
  const line = text.split("\n").find((candidate) => candidate.startsWith(`${metric} `));
  return line === undefined ? 0 : Number(line.slice(metric.length + 1));
}

/** How many executions a scheduler has run, whatever became of its reports. */
export function runsOf(scheduler: Pick<ServiceProcess, "httpUrl">): Promise<number> {
  return metricOf(scheduler, 'taskscheduler_scheduler_runs_total{state="succeeded"}');
}
