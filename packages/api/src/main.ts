/** Loading takes a moment, in which nobody else listens: a signal then ends the process as it does later, with 0. */
const signals = ["SIGTERM", "SIGINT"] as const;
const end = (): never => process.exit(0);
for (const signal of signals) process.on(signal, end);
const { run } = await import("./run.js");
for (const signal of signals) process.off(signal, end);
await run();
