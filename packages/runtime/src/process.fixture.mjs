/** What process.spec.ts runs in a process of its own; its argument says how it behaves. */
import { once } from "node:events";
import { createServer } from "node:http";
import { createMetrics, createProbeServer, openProcessLog, Reloaders, runProcess, sleep } from "./index.ts";
import { ProcessSignals } from "./process-signals.ts";

const signals = new ProcessSignals();
signals.listen();
const mode = process.argv[2];
const say = (text) => process.stdout.write(`${text}\n`);
const { logger } = openProcessLog({ name: "fixture", level: "info" });
const keepAlive = setInterval(() => undefined, 60_000);

const plain = (name) => ({
  name,
  start: async () => say(`${name} started`),
  stop: async () => say(`${name} stopped`),
});
const slow = {
  name: "slow",
  start: async (signal) => {
    if (mode === "slow-start") await sleep(60_000, signal);
    if (mode === "uncaught") setTimeout(() => Promise.reject(new Error("nobody caught this")));
  },
  stop: async (signal) => {
    say("slow stops");
    if (mode === "slow-stop" || mode === "short-grace") await sleep(60_000, signal).catch(() => say("slow cut"));
    say("slow stopped");
  },
};

async function takenPort() {
  const server = createServer().listen(0, "127.0.0.1");
  await once(server, "listening");
  const address = server.address();
  const port = typeof address === "object" && address !== null ? address.port : 0;
  const { registry } = createMetrics();
  return createProbeServer({ host: "127.0.0.1", port, readiness: () => [], registry, logger });
}

const between = mode === "plain" ? [] : [mode === "taken-port" ? await takenPort() : slow];
await runProcess({
  logger,
  signals,
  reloaders: new Reloaders(logger),
  shutdownGraceMs: mode === "short-grace" ? 100 : 10_000,
  parts: [plain("first"), ...between, plain("second")],
  onStopping: () => say("not ready"),
});
clearInterval(keepAlive);
