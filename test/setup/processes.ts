import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, openSync } from "node:fs";
import { join } from "node:path";
import { root } from "../../scripts/paths.mjs";
import { freePort } from "../../scripts/ports.mjs";
import { eventually } from "./eventually.js";

const READY_MS = 50_000;
const STOP_MS = 20_000;

export interface ServiceProcess {
  readonly pid: number;
  readonly httpUrl: string;
  /** Everything that it wrote. */
  output(): string;
  isReady(): Promise<boolean>;
  /** Resolves when `/readyz` says so. */
  ready(): Promise<void>;
  /** kill -9; resolves when it is gone. */
  kill(): Promise<void>;
  /** SIGTERM. @returns the exit code */
  stop(): Promise<number | null>;
  signal(signal: NodeJS.Signals): void;
  /** Resolves with the exit code when it ends by itself. */
  readonly exited: Promise<number | null>;
}

export interface ApiProcess extends ServiceProcess {
  readonly grpcAddress: string;
}

interface ProcessOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Options of Node.js itself. */
  readonly nodeArgs?: readonly string[];
  /** Where standard output and standard error go. Default: what `output` tells. */
  readonly outputPath?: string;
}

export interface ApiOptions extends ProcessOptions {
  readonly databaseUrl: string;
  readonly httpPort?: number;
  readonly grpcPort?: number;
}

/** Starts the built API; `ready()` waits until it can do its job. */
export async function startApi(options: ApiOptions): Promise<ApiProcess> {
  const httpPort = options.httpPort ?? (await freePort());
  const grpcPort = options.grpcPort ?? (await freePort());
  const env = { DATABASE_URL: options.databaseUrl, GRPC_PORT: String(grpcPort), AUTH: "off", ...options.env };
  const service = startProcess("api", httpPort, { ...options, env });
  return { ...service, grpcAddress: `127.0.0.1:${grpcPort}` };
}

export interface SchedulerOptions extends ProcessOptions {
  readonly apiAddress: string;
  readonly schedulerId?: string;
}

/** Starts the built scheduler; `ready()` waits until it can do its job. */
export async function startScheduler(options: SchedulerOptions): Promise<ServiceProcess> {
  const env = {
    API_ADDRESS: options.apiAddress,
    ...(options.schedulerId === undefined ? {} : { SCHEDULER_ID: options.schedulerId }),
    ...options.env,
  };
  return startProcess("scheduler", await freePort(), { ...options, env });
}

/** All that this file's specs have started, so that none outlives them. */
const running = new Set<ChildProcess>();

/** To be called after all tests of a file: kills what a failed test has left behind. */
export async function killAll(): Promise<void> {
  await Promise.all([...running].map((child) => end(child, "SIGKILL")));
}

function startProcess(
  name: "api" | "scheduler",
  httpPort: number,
  { env, nodeArgs = [], outputPath }: ProcessOptions,
): ServiceProcess {
  const main = join(root, "packages", name, "dist", "main.js");
  const output = outputPath === undefined ? "pipe" : openSync(outputPath, "a");
  const child = spawn(process.execPath, [...nodeArgs, main], {
    env: {
      PATH: process.env["PATH"],
      TZ: process.env["TZ"] ?? "UTC",
      HTTP_PORT: String(httpPort),
      LOG_LEVEL: "info",
      ...env,
    },
    stdio: ["ignore", output, output],
  });
  if (typeof output === "number") closeSync(output);
  running.add(child);
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream?.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
    // A process that ends may reset its side of the pipe. Everything that it wrote has arrived by then.
    stream?.on("error", () => undefined);
  }
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  void exited.then(() => running.delete(child));
  const httpUrl = `http://127.0.0.1:${httpPort}`;
  const isReady = async () => (await fetch(`${httpUrl}/readyz`).catch(() => undefined))?.status === 200;
  return {
    pid: child.pid ?? 0,
    httpUrl,
    output: () => chunks.join(""),
    isReady,
    async ready() {
      await eventually(`${name} is ready`, isReady, READY_MS).catch((error: unknown) => {
        throw new Error(`${name} did not become ready:\n${chunks.join("").slice(-4_000)}`, { cause: error });
      });
    },
    kill: async () => void (await end(child, "SIGKILL")),
    stop: () => end(child, "SIGTERM"),
    signal: (signal) => void child.kill(signal),
    exited,
  };
}

async function end(child: ChildProcess, signal: NodeJS.Signals): Promise<number | null> {
  if (child.exitCode !== null || child.signalCode !== null) return child.exitCode;
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  child.kill(signal);
  const timer = setTimeout(() => child.kill("SIGKILL"), STOP_MS);
  return exited.finally(() => clearTimeout(timer));
}
