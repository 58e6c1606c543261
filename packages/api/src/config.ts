import { isIP } from "node:net";
import { SchedulerService, TaskService } from "@taskscheduler/proto";
import {
  certificatesVariable,
  type Failpoint,
  failpointsInProduction,
  failpointsVariable,
  fileVariable,
  flagVariable,
  hostVariable,
  logLevelVariable,
  millisecondsVariable,
  parseEnvironment,
  portVariable,
  z,
} from "@taskscheduler/runtime";
import { type DatabaseAddress, parseDatabaseUrl } from "./database/database-address.js";

const dayMs = 24 * 60 * 60 * 1000;

const notSupportedYet = [
  "AUTH_TOKENS_FILE",
  "AUTH_JWKS_URL",
  "AUTH_ISSUER",
  "AUTH_AUDIENCE",
  "AUTH_ROLE_CLAIM",
  "TLS_CERT_FILE",
  "TLS_KEY_FILE",
  "TLS_CLIENT_CA_FILE",
] as const;

const unaryCalls = [TaskService, SchedulerService].flatMap(({ methods }) =>
  methods.filter(({ methodKind }) => methodKind === "unary").map(({ localName }) => localName),
);
/** Cross-checks run beside the variables' own, so that one start shows every fault. */
const always = { when: () => true };

const schema = z
  .object({
    DATABASE_URL: z.string().transform(toDatabaseAddress).optional(),
    DATABASE_URL_FILE: fileVariable().transform(toDatabaseAddress).optional(),
    DATABASE_TLS_CA_FILE: certificatesVariable().optional(),
    HOST: hostVariable(),
    HTTP_PORT: portVariable(8000),
    GRPC_PORT: portVariable(50_051),
    MIGRATE_ON_START: flagVariable(true),
    AUTH: z.literal("off", "must be `off` or unset").optional(),
    CORS_ORIGINS: z
      .string()
      .transform(splitList)
      .refine(areOrigins, "must be origins such as https://example.com, separated by commas")
      .default([]),
    MAX_CONNECTION_AGE_MS: millisecondsVariable({ min: 1_000, max: dayMs, standard: 600_000 }),
    LEASE_MS: millisecondsVariable({ min: 100, max: 3_600_000, standard: 5_000 }),
    CHANGE_RETENTION_MS: millisecondsVariable({ min: 1_000, standard: dayMs }),
    EXECUTION_RETENTION_MS: millisecondsVariable({ min: 1_000, standard: 90 * dayMs }),
    LOG_LEVEL: logLevelVariable(),
    SHUTDOWN_GRACE_MS: millisecondsVariable({ max: 3_600_000, standard: 10_000 }),
    FAILPOINTS: failpointsVariable(unaryCalls),
    NODE_ENV: z.string().optional(),
  })
  .refine((v) => v.DATABASE_URL !== undefined || v.DATABASE_URL_FILE !== undefined, {
    path: ["DATABASE_URL"],
    error: "this or DATABASE_URL_FILE is required",
    ...always,
  })
  .refine((v) => v.DATABASE_URL === undefined || v.DATABASE_URL_FILE === undefined, {
    path: ["DATABASE_URL"],
    error: "only one of this and DATABASE_URL_FILE may be set",
    ...always,
  })
  .refine((v) => v.DATABASE_TLS_CA_FILE === undefined || isTlsOrFaulty(v.DATABASE_URL ?? v.DATABASE_URL_FILE), {
    path: ["DATABASE_TLS_CA_FILE"],
    error: "needs ?ssl=true at the end of DATABASE_URL; without it the connection is plain text",
    ...always,
  })
  .refine((v) => v.HTTP_PORT !== v.GRPC_PORT || v.HTTP_PORT === 0, {
    path: ["GRPC_PORT"],
    error: "must not be the same as HTTP_PORT",
    ...always,
  })
  .refine((v) => v.AUTH === "off" || typeof v.HOST !== "string" || isLoopback(v.HOST), {
    path: ["HOST"],
    error: "an address that is not loopback needs AUTH=off, which lets anybody do anything",
    ...always,
  })
  .refine((v) => v.NODE_ENV !== "production" || v.FAILPOINTS?.length === 0, { ...failpointsInProduction, ...always });

/** How the API process is configured, checked and frozen. */
export interface ApiConfig {
  readonly database: DatabaseAddress;
  /** The path that `DATABASE_URL_FILE` names. */
  readonly databaseUrlFile: string | undefined;
  readonly host: string;
  /** 0: any that is free. */
  readonly httpPort: number;
  /** 0: any that is free. */
  readonly grpcPort: number;
  readonly migrateOnStart: boolean;
  readonly corsOrigins: readonly string[];
  /** Maximum age of gRPC connections and of streams over HTTP. */
  readonly maxConnectionAgeMs: number;
  readonly leaseMs: number;
  readonly changeRetentionMs: number;
  readonly executionRetentionMs: number;
  readonly logLevel: string;
  readonly shutdownGraceMs: number;
  /** For tests alone. */
  readonly failpoints: readonly Failpoint[];
}

/** @throws ConfigError with every fault at once */
export function readConfig(env: Readonly<Record<string, string | undefined>>): ApiConfig {
  const variables = parseEnvironment(schema, env, { notSupportedYet });
  return Object.freeze({
    database: withCa(variables.DATABASE_URL ?? variables.DATABASE_URL_FILE, variables.DATABASE_TLS_CA_FILE),
    databaseUrlFile: env["DATABASE_URL_FILE"] || undefined,
    host: variables.HOST,
    httpPort: variables.HTTP_PORT,
    grpcPort: variables.GRPC_PORT,
    migrateOnStart: variables.MIGRATE_ON_START,
    corsOrigins: variables.CORS_ORIGINS,
    maxConnectionAgeMs: variables.MAX_CONNECTION_AGE_MS,
    leaseMs: variables.LEASE_MS,
    changeRetentionMs: variables.CHANGE_RETENTION_MS,
    executionRetentionMs: variables.EXECUTION_RETENTION_MS,
    logLevel: variables.LOG_LEVEL,
    shutdownGraceMs: variables.SHUTDOWN_GRACE_MS,
    failpoints: variables.FAILPOINTS,
  });
}

function toDatabaseAddress(text: string, context: z.core.$RefinementCtx<string>): DatabaseAddress {
  const { address, faults } = parseDatabaseUrl(text);
  for (const message of faults) context.addIssue({ code: "custom", message });
  return faults.length === 0 ? address : z.NEVER;
}

/** A URL with faults is told of already. */
function isTlsOrFaulty(address: DatabaseAddress | undefined): boolean {
  return typeof address !== "object" || address.tls !== undefined;
}

function withCa(address: DatabaseAddress | undefined, ca: string | undefined): DatabaseAddress {
  // The schema requires one of the two variables.
  if (address === undefined) throw new TypeError("there is no database address");
  return address.tls === undefined ? address : { ...address, tls: { ca } };
}

function isLoopback(host: string): boolean {
  if (isIP(host) === 4) return host.startsWith("127.");
  return host === "::1" || host.toLowerCase() === "localhost";
}

function splitList(text: string): readonly string[] {
  return text.split(",").map((item) => item.trim());
}

function areOrigins(origins: readonly string[]): boolean {
  return origins.every((text) => /^https?:/.test(text) && URL.canParse(text) && new URL(text).origin === text);
}

/** For the migration command, which needs no more. @throws ConfigError */
export function readDatabaseAddress(env: Readonly<Record<string, string | undefined>>): DatabaseAddress {
  const { DATABASE_URL, DATABASE_URL_FILE, DATABASE_TLS_CA_FILE } = env;
  return readConfig({ DATABASE_URL, DATABASE_URL_FILE, DATABASE_TLS_CA_FILE }).database;
}
