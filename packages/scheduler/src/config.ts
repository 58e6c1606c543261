import { hostname } from "node:os";
import { SchedulerService } from "@taskscheduler/proto";
import {
  type Failpoint,
  failpointsInProduction,
  failpointsVariable,
  fileVariable,
  hostVariable,
  integerVariable,
  logLevelVariable,
  millisecondsVariable,
  parseEnvironment,
  portVariable,
  z,
} from "@taskscheduler/runtime";
import { type ApiAddress, parseApiAddress } from "./api-client/api-address.js";
import type { RunLimits } from "./runner/run-limits.js";
import { parseAddressRange } from "./targets/address-range.js";
import { parseWebhookProxy, type WebhookProxy } from "./targets/webhook-proxy.js";
import { type ListedSecrets, noWebhookSecrets, parseWebhookSecrets } from "./targets/webhook-secrets.js";

export interface SchedulerConfig {
  /** gRPC addresses of the APIs, at least one. */
  readonly apiAddresses: readonly ApiAddress[];
  readonly schedulerId: string;
  readonly host: string;
  readonly httpPort: number;
  readonly limits: RunLimits;
  /** Ranges such as `10.0.0.0/8` that targets may be in although they are not public. */
  readonly targetAllowCidrs: readonly string[];
  readonly webhookSecrets: ListedSecrets;
  /** The path that `WEBHOOK_SECRETS_FILE` names. */
  readonly webhookSecretsFile: string | undefined;
  /** Undefined: webhooks go out directly. */
  readonly webhookProxy: WebhookProxy | undefined;
  readonly logLevel: string;
  readonly shutdownGraceMs: number;
  /** For tests alone. */
  readonly failpoints: readonly Failpoint[];
}

const notSupportedYet = ["API_TOKEN_FILE", "TLS_CA_FILE", "TLS_CERT_FILE", "TLS_KEY_FILE"];

const maxAddresses = 64;
const standardAddress: ApiAddress = { host: "127.0.0.1", port: 50_051 };

/** Addresses of APIs, separated by commas. Each wrong item is a fault of its own, named by its place in a list of several. */
function addressesVariable() {
  return z
    .string()
    .transform((text, context) => {
      const items = text.split(",").map((item) => item.trim());
      const addFault = (message: string): void => context.addIssue({ code: "custom", message });
      if (items.length > maxAddresses) addFault(`has more than ${maxAddresses} addresses`);
      const addresses = items.slice(0, maxAddresses).flatMap((item, index) => {
        const address = parseApiAddress(item);
        if (address !== undefined) return [address];
        addFault(`${items.length > 1 ? `address ${index + 1} ` : ""}must be host:port`);
        return [];
      });
      return Object.freeze(addresses);
    })
    .default([standardAddress]);
}

/** Each attempt is judged by all of them. */
const maxRanges = 256;

/** Ranges of addresses, separated by commas; each that is none is a fault of its own, by its place. */
function rangesVariable() {
  return z
    .string()
    .transform((text, context) => {
      const items = text.split(",").map((item) => item.trim());
      if (items.length > maxRanges) context.addIssue({ code: "custom", message: `has more than ${maxRanges} ranges` });
      for (const [index, item] of items.slice(0, maxRanges).entries()) {
        if (parseAddressRange(item) !== undefined) continue;
        context.addIssue({ code: "custom", message: `range ${index + 1} ${rangeForm}` });
      }
      return Object.freeze(items);
    })
    .default([]);
}

const rangeForm =
  "must be one such as 10.0.0.0/8 or fd00::/8: no name, no bits behind its prefix, and a single address as 10.1.2.3/32";

/** A file of `name whsec_…` lines; each line that is none is a fault of its own, by its number. */
function secretsVariable() {
  return fileVariable({ isTrimmed: false }).transform((text, context) => {
    const { secrets, faults } = parseWebhookSecrets(text);
    for (const message of faults) context.addIssue({ code: "custom", message });
    return secrets;
  });
}

const proxyForm = "must be http://[user:password@]host:port, with special characters in percent-encoding";

function toProxy(text: string, context: z.core.$RefinementCtx): WebhookProxy {
  const proxy = parseWebhookProxy(text);
  if (proxy !== undefined) return proxy;
  context.addIssue({ code: "custom", message: proxyForm });
  return z.NEVER;
}

const unaryCalls = SchedulerService.methods
  .filter(({ methodKind }) => methodKind === "unary")
  .map(({ localName }) => localName);

const schema = z
  .object({
    API_ADDRESS: addressesVariable(),
    SCHEDULER_ID: z
      .string()
      .max(255, "must have at most 255 characters")
      .regex(/^(?!\s)[^\p{Cc}\p{Cf}]*(?<!\s)$/u, "must have no control characters, and no white space at its ends")
      .default(() => `${hostname()}-${process.pid}`.slice(-255)),
    HOST: hostVariable(),
    HTTP_PORT: portVariable(8001),
    MAX_CONCURRENCY: integerVariable({ min: 1, max: 100_000, standard: 256 }),
    MAX_CONCURRENCY_PER_HOST: integerVariable({ min: 1, max: 100_000, standard: 64 }),
    MAX_CONCURRENCY_PER_TASK: integerVariable({ min: 1, max: 100_000, standard: 16 }),
    MAX_RATE_PER_HOST: integerVariable({ min: 0, max: 100_000, standard: 0 }),
    TARGET_ALLOW_CIDRS: rangesVariable(),
    WEBHOOK_SECRETS_FILE: secretsVariable().default(noWebhookSecrets),
    WEBHOOK_PROXY_URL: z.string().transform(toProxy).optional(),
    WEBHOOK_PROXY_URL_FILE: fileVariable().transform(toProxy).optional(),
    LOG_LEVEL: logLevelVariable(),
    SHUTDOWN_GRACE_MS: millisecondsVariable({ max: 3_600_000, standard: 10_000 }),
    FAILPOINTS: failpointsVariable(unaryCalls),
    NODE_ENV: z.string().optional(),
  })
  .refine((v) => v.WEBHOOK_PROXY_URL === undefined || v.WEBHOOK_PROXY_URL_FILE === undefined, {
    path: ["WEBHOOK_PROXY_URL"],
    error: "only one of this and WEBHOOK_PROXY_URL_FILE may be set",
    when: () => true,
  })
  .refine((v) => v.NODE_ENV !== "production" || v.FAILPOINTS?.length === 0, {
    ...failpointsInProduction,
    when: () => true,
  });

/** @throws ConfigError */
export function readConfig(env: Readonly<Record<string, string | undefined>>): SchedulerConfig {
  const variables = parseEnvironment(schema, env, { notSupportedYet });
  return Object.freeze({
    apiAddresses: variables.API_ADDRESS,
    schedulerId: variables.SCHEDULER_ID,
    host: variables.HOST,
    httpPort: variables.HTTP_PORT,
    limits: Object.freeze({
      maxConcurrency: variables.MAX_CONCURRENCY,
      maxConcurrencyPerHost: variables.MAX_CONCURRENCY_PER_HOST,
      maxConcurrencyPerTask: variables.MAX_CONCURRENCY_PER_TASK,
      maxRatePerHost: variables.MAX_RATE_PER_HOST,
    }),
    targetAllowCidrs: variables.TARGET_ALLOW_CIDRS,
    webhookSecrets: variables.WEBHOOK_SECRETS_FILE,
    webhookSecretsFile: env["WEBHOOK_SECRETS_FILE"] || undefined,
    webhookProxy: variables.WEBHOOK_PROXY_URL ?? variables.WEBHOOK_PROXY_URL_FILE,
    logLevel: variables.LOG_LEVEL,
    shutdownGraceMs: variables.SHUTDOWN_GRACE_MS,
    failpoints: variables.FAILPOINTS,
  });
}
