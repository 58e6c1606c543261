/**
 * Reads lines of calls (a JSON array each), makes the calls of a line one after the other, and answers by a line of their
 * outcomes. Node reads NODE_EXTRA_CA_CERTS when it starts, so tests can have their certificates trusted in no other way.
 */
import { createInterface } from "node:readline";
import { createWebhookClient } from "../../packages/scheduler/dist/targets/webhook-client.js";
import { parseWebhookProxy } from "../../packages/scheduler/dist/targets/webhook-proxy.js";
import { noWebhookSecrets } from "../../packages/scheduler/dist/targets/webhook-secrets.js";

const client = createWebhookClient({
  allowCidrs: ["127.0.0.0/8"],
  secrets: noWebhookSecrets,
  proxy: parseWebhookProxy(process.argv[2] ?? ""),
  nowMs: () => Date.now(),
});
for await (const line of createInterface({ input: process.stdin })) {
  const outcomes = [];
  for (const call of JSON.parse(line)) outcomes.push(await client.call(call, new AbortController().signal));
  console.log(JSON.stringify(outcomes));
}
await client.close();
