export { createScheduler, type SchedulerOptions } from "./app.js";
export { readConfig, type SchedulerConfig } from "./config.js";
export type { Scheduler } from "./scheduler.js";
