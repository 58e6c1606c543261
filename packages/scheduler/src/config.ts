import { hostname } from "node:os";
import { SchedulerService } from "@taskscheduler/proto";
import {
  type Failpoint,
  failpointsInProduction,
  failpointsVariable,
  integerVariable,
  logLevelVariable,
  millisecondsVariable,
  parseEnvironment,
  portVariable,
  z,
} from "@taskscheduler/runtime";

export interface SchedulerConfig {
  /** `host:port`. */
  readonly apiAddress: string;
  readonly schedulerId: string;
  readonly host: string;
  readonly httpPort: number;
  readonly maxConcurrency: number;
  readonly logLevel: string;
  readonly shutdownGraceMs: number;
  /** For tests alone. */
  readonly failpoints: readonly Failpoint[];
}

const notSupportedYet = [
  "API_TOKEN_FILE",
  "TLS_CA_FILE",
  "TLS_CERT_FILE",
  "TLS_KEY_FILE",
  "TARGET_ALLOW_CIDRS",
  "WEBHOOK_SECRETS_FILE",
];

const addressPattern = /^([^\s:[\]/]+|\[[0-9a-fA-F:.]+\]):(\d{1,5})$/;

function isAddress(text: string): boolean {
  const port = Number(addressPattern.exec(text)?.[2] ?? 0);
  return port >= 1 && port <= 65_535;
}

const unaryCalls = SchedulerService.methods
  .filter(({ methodKind }) => methodKind === "unary")
  .map(({ localName }) => localName);

const schema = z
  .object({
    API_ADDRESS: z.string().refine(isAddress, "must be host:port").default("127.0.0.1:50051"),
    SCHEDULER_ID: z
      .string()
      .max(255, "must have at most 255 characters")
      .default(() => `${hostname()}-${process.pid}`.slice(-255)),
    HOST: z.string().default("127.0.0.1"),
    HTTP_PORT: portVariable(8001),
    MAX_CONCURRENCY: integerVariable({ min: 1, max: 100_000, standard: 256 }),
    LOG_LEVEL: logLevelVariable(),
    SHUTDOWN_GRACE_MS: millisecondsVariable({ max: 3_600_000, standard: 10_000 }),
    FAILPOINTS: failpointsVariable(unaryCalls),
    NODE_ENV: z.string().optional(),
  })
  .refine((v) => v.NODE_ENV !== "production" || v.FAILPOINTS?.length === 0, {
    ...failpointsInProduction,
    when: () => true,
  });

/** @throws ConfigError */
export function readConfig(env: Readonly<Record<string, string | undefined>>): SchedulerConfig {
  const variables = parseEnvironment(schema, env, { notSupportedYet });
  return Object.freeze({
    apiAddress: variables.API_ADDRESS,
    schedulerId: variables.SCHEDULER_ID,
    host: variables.HOST,
    httpPort: variables.HTTP_PORT,
    maxConcurrency: variables.MAX_CONCURRENCY,
    logLevel: variables.LOG_LEVEL,
    shutdownGraceMs: variables.SHUTDOWN_GRACE_MS,
    failpoints: variables.FAILPOINTS,
  });
}
