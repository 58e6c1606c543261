import { isIP } from "node:net";
import { join } from "node:path";
import { superviseChild } from "./child.mjs";
import { Fault } from "./fault.mjs";
import { root } from "./paths.mjs";
import { waitFor } from "./wait.mjs";

const defaultGraceMs = 10_000;
/** What a process may need beyond its own grace before it is killed. */
const stopMarginMs = 5_000;

/**
 * Where the pair listens, out of the environment.
 *
 * @param {NodeJS.ProcessEnv} env HOST, HTTP_PORT, GRPC_PORT, SCHEDULER_HTTP_PORT
 * @throws {Fault} where a port is none (exit code 78)
 */
export function pairAddresses(env) {
  const host = env.HOST || "127.0.0.1";
  const ports = {
    HTTP_PORT: readPort(env, "HTTP_PORT", 8000),
    GRPC_PORT: readPort(env, "GRPC_PORT", 50051),
    SCHEDULER_HTTP_PORT: readPort(env, "SCHEDULER_HTTP_PORT", 8001),
  };
  const local = reachable(host);
  return {
    host,
    ports,
    apiUrl: `http://${local}:${ports.HTTP_PORT}`,
    grpcAddress: `${local}:${ports.GRPC_PORT}`,
    schedulerUrl: `http://${local}:${ports.SCHEDULER_HTTP_PORT}`,
  };
}

/**
 * Runs the API and one scheduler.
 *
 * @param {{ env: NodeJS.ProcessEnv, databaseUrl: string, node?: string, log: (line: string) => void }} options
 */
export function startPair({ env, databaseUrl, node = process.execPath, log }) {
  const addresses = pairAddresses(env);
  const graceMs = (Number(env.SHUTDOWN_GRACE_MS) || defaultGraceMs) + stopMarginMs;
  const supervise = (name, childEnv) =>
    superviseChild({
      name,
      command: node,
      args: [join(root, "packages", name, "dist", "main.js")],
      env: childEnv,
      log,
    });
  const api = supervise("api", apiEnv(env, addresses, databaseUrl));
  const scheduler = supervise("scheduler", schedulerEnv(env, addresses));
  const ready = (timeoutMs, signal) =>
    waitFor(async () => (await isReady(addresses.apiUrl)) && (await isReady(addresses.schedulerUrl)), {
      timeoutMs,
      intervalMs: 100,
      signal,
    });
  return {
    api,
    scheduler,
    addresses,
    /** Resolves to the exit code with which one of the two refused its configuration. */
    failed: Promise.race([api.failed, scheduler.failed]),
    /** Resolves to true when both can do their job; undefined where the time ran out. */
    ready,
    /** The scheduler first: what it still has to report needs the API. Resolves to both exit codes. */
    async stop() {
      return { scheduler: await scheduler.stop(graceMs), api: await api.stop(graceMs) };
    },
    kill() {
      scheduler.kill();
      api.kill();
    },
  };
}

function apiEnv(env, { host, ports }, databaseUrl) {
  const hasIdentity = Boolean(env.AUTH_TOKENS_FILE || env.AUTH_JWKS_URL || env.TLS_CLIENT_CA_FILE);
  const open = isLoopback(host) && !hasIdentity ? { AUTH: env.AUTH || "off" } : {};
  const own = {
    ...env,
    ...open,
    DATABASE_URL: databaseUrl,
    HTTP_PORT: String(ports.HTTP_PORT),
    GRPC_PORT: String(ports.GRPC_PORT),
  };
  delete own.DATABASE_URL_FILE;
  return own;
}

/** The scheduler has no business with the database, so it does not learn the password. */
function schedulerEnv(env, { grpcAddress, ports }) {
  // Names are looked up on libuv's threads, four unless it is said: few whose servers do not answer would hold up all.
  const own = {
    UV_THREADPOOL_SIZE: "32",
    ...env,
    API_ADDRESS: grpcAddress,
    HTTP_PORT: String(ports.SCHEDULER_HTTP_PORT),
  };
  for (const name of ["DATABASE_URL", "DATABASE_URL_FILE", "DATABASE_TLS_CA_FILE", "GRPC_PORT", "SCHEDULER_HTTP_PORT"])
    delete own[name];
  return own;
}

async function isReady(url) {
  try {
    return (await fetch(`${url}/readyz`, { signal: AbortSignal.timeout(2000) })).ok;
  } catch {
    return false;
  }
}

function readPort(env, name, fallback) {
  const text = String(env[name] || fallback);
  const port = /^\d{1,5}$/.test(text) ? Number(text) : 0;
  if (port > 0 && port < 65_536) return port;
  throw new Fault(`${name} must be a port, 1 to 65535; it is ${JSON.stringify(env[name])}.`, { exitCode: 78 });
}

/** Bound to every address, it answers on the loopback one. */
function reachable(host) {
  if (host === "0.0.0.0") return "127.0.0.1";
  if (host === "::") return "[::1]";
  return isIP(host) === 6 ? `[${host}]` : host;
}

function isLoopback(host) {
  return host === "localhost" || host === "::1" || host.startsWith("127.");
}
