import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import type { WebhookCall } from "../../packages/scheduler/src/targets/webhook-call.js";
import type { WebhookOutcome } from "../../packages/scheduler/src/targets/webhook-outcome.js";

/** A process that makes calls. */
export interface WebhookCaller {
  /** Makes the calls one after the other. */
  callAll(calls: readonly WebhookCall[]): Promise<WebhookOutcome[]>;
  stop(): Promise<void>;
}

/** @param proxyUrl as in `WEBHOOK_PROXY_URL`; default: none */
export function startCaller(env: Readonly<Record<string, string>>, proxyUrl = ""): WebhookCaller {
  const child = spawn(process.execPath, [join(__dirname, "webhook-caller.mjs"), proxyUrl], {
    env: { PATH: process.env["PATH"], ...env },
    stdio: ["pipe", "pipe", "inherit"],
  });
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  return {
    async callAll(calls) {
      child.stdin.write(`${JSON.stringify(calls)}\n`);
      const { value } = await lines.next();
      return JSON.parse(value) as WebhookOutcome[];
    },
    async stop() {
      const exited = once(child, "exit");
      child.stdin.end();
      expect(await exited).toEqual([0, null]);
    },
  };
}
