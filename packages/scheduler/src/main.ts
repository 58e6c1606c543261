import { ProcessSignals } from "@taskscheduler/runtime/process-signals";

/** The rest takes a moment to load, in which signals must be taken already. */
const signals = new ProcessSignals();
signals.listen();
const { run } = await import("./run.js");
await run(signals);
