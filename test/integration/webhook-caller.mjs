/**
 * Makes the calls of its first argument (JSON), one after the other, in a process of its own, and prints their outcomes.
 * Node reads NODE_EXTRA_CA_CERTS when it starts, so certificates of tests can be trusted in no other way.
 */
import { createWebhookClient } from "../../packages/scheduler/dist/targets/webhook-client.js";
import { noWebhookSecrets } from "../../packages/scheduler/dist/targets/webhook-secrets.js";

const client = createWebhookClient({ allowCidrs: ["127.0.0.0/8"], secrets: noWebhookSecrets, nowMs: () => Date.now() });
const outcomes = [];
for (const call of JSON.parse(process.argv[2])) outcomes.push(await client.call(call, new AbortController().signal));
await client.close();
console.log(JSON.stringify(outcomes));
