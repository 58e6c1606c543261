/**
 * Loading takes a moment, in which nobody else listens: a signal then ends the process as it does later, with 0. The
 * listener stays: taken away, it would take along a signal that has arrived and was not delivered yet.
 */
let isLoaded = false;
const end = (): void => {
  if (!isLoaded) process.exit(0);
};
for (const signal of ["SIGTERM", "SIGINT"] as const) process.on(signal, end);
const { run } = await import("./run.js");
isLoaded = true;
await run();
