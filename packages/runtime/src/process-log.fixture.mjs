/** A process for process-log.spec.ts. The arguments say how many lines it logs and what it does afterwards. */
import { writeSync } from "node:fs";
import { createMetrics, openProcessLog } from "./index.ts";

const [count, then] = process.argv.slice(2);
const log = openProcessLog({ name: "fixture", level: then === "warn" ? "warn" : "error" });
const { registry } = createMetrics();
log.measure(registry);

for (let number = 1; number <= Number(count); number += 1) log.logger.error({ number }, "line");
if (then === "exit") process.exit(0);
if (then === "throw") throw new Error("nobody catches this");
if (then === "warn") {
  console.error("a library says %s", "so");
  process.emitWarning("this is old", "DeprecationWarning");
}
process.on("SIGTERM", () => {
  log.logger.error("stopped");
  process.exit(0);
});
process.on("SIGHUP", () => undefined);
setInterval(() => undefined, 60_000);
const metric = await registry.getSingleMetricAsString("taskscheduler_fixture_log_lines_dropped_total");
writeSync(2, `${process.pid} ${metric.split(" ").at(-1)}\n`);
