import { spawn, spawnSync } from "node:child_process";
import { randomBytes } from "node:crypto";
import { chownSync, existsSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { tmpdir } from "node:os";
import { delimiter, join } from "node:path";
import { setTimeout as delay } from "node:timers/promises";
import { guard } from "../../scripts/guardian.mjs";
import { freePort } from "../../scripts/ports.mjs";

/** What a peer stores its jobs in. */
export interface ServerKind {
  readonly name: string;
  readonly debianPackage: string;
  /** `15.18`; undefined where none is installed that this process could run. */
  version(): string | undefined;
  start(): Promise<PeerServer>;
}

/** A server of our own on 127.0.0.1, with its data in a temporary folder: empty at first. */
export interface PeerServer {
  readonly url: string;
  /** Ends it by its own process, and removes its folder. */
  stop(): Promise<void>;
}

export const redis: ServerKind = {
  name: "Redis",
  debianPackage: "redis-server",
  version() {
    const binary = find("redis-server");
    return binary && /v=(\S+)/.exec(output(binary, ["--version"]))?.[1];
  },
  start: startRedis,
};

export const postgres: ServerKind = {
  name: "PostgreSQL",
  debianPackage: "postgresql",
  version() {
    const binary = find("postgres", debianPostgresDirs());
    return binary && serverUser() && /\d+(\.\d+)*/.exec(output(binary, ["--version"]))?.[0];
  },
  start: startPostgres,
};

const READY_TIMEOUT_MS = 30_000;
const STOP_TIMEOUT_MS = 15_000;

async function startRedis(): Promise<PeerServer> {
  const binary = find("redis-server") ?? "redis-server";
  const folder = mkdtempSync(join(tmpdir(), "taskscheduler-redis-"));
  const port = await freePort();
  const password = randomBytes(18).toString("base64url");
  // Durability as BullMQ's page "Going to production" has it: an append-only file, flushed each second, and nothing
  // evicted. Redis's snapshots, which come on top of it by default, are off: they would only cost time. A worker waits for
  // the next due instant in a call with a time limit, and Redis looks at those as often as `hz` says: 10 times a second by
  // default, which is up to 100 ms late; its own configuration file gives 100 for low latency.
  const config = [
    "bind 127.0.0.1",
    `port ${port}`,
    `requirepass ${password}`,
    `dir ${folder}`,
    "appendonly yes",
    "appendfsync everysec",
    "maxmemory-policy noeviction",
    "hz 100",
    'save ""',
  ];
  const file = join(folder, "redis.conf");
  writeFileSync(file, `${config.join("\n")}\n`, { mode: 0o600 });
  const stop = await launch({ command: binary, args: [file], folder, port, stopSignal: "SIGTERM" });
  return { url: `redis://:${password}@127.0.0.1:${port}`, stop };
}

async function startPostgres(): Promise<PeerServer> {
  const binary = find("postgres", debianPostgresDirs());
  const user = serverUser();
  if (binary === undefined || user === undefined) throw new Error("there is no PostgreSQL server to start");
  const initdb = join(binary, "..", "initdb");
  const folder = mkdtempSync(join(tmpdir(), "taskscheduler-postgres-"));
  const data = join(folder, "data");
  const passwordFile = join(folder, "password");
  const password = randomBytes(18).toString("base64url");
  writeFileSync(passwordFile, password, { mode: 0o600 });
  for (const each of [folder, passwordFile]) chownSync(each, user.uid, user.gid);
  const init = [`--pgdata=${data}`, "--username=bench", `--pwfile=${passwordFile}`, "--auth=scram-sha-256"];
  output(...user.command(initdb, [...init, "--encoding=UTF8", "--locale=C", "--no-sync"]));
  const port = await freePort();
  // Every commit is flushed, as by default. The buffers are as large as the bench gives to MariaDB.
  const settings = [`port=${port}`, "listen_addresses=127.0.0.1", `unix_socket_directories=${folder}`];
  const tuned = ["shared_buffers=512MB", "max_connections=200", "logging_collector=off"];
  const args = ["-D", data, ...[...settings, ...tuned].flatMap((setting) => ["-c", setting])];
  const [command, rest] = user.command(binary, args);
  // SIGINT is its fast shutdown: sessions that are open are ended.
  const stop = await launch({ command, args: rest, folder, port, stopSignal: "SIGINT" });
  return { url: `postgres://bench:${password}@127.0.0.1:${port}/postgres`, stop };
}

interface Launch {
  readonly command: string;
  readonly args: readonly string[];
  readonly folder: string;
  readonly port: number;
  readonly stopSignal: NodeJS.Signals;
}

/** @returns what ends it */
async function launch({ command, args, folder, port, stopSignal }: Launch): Promise<() => Promise<void>> {
  // A session of its own: Ctrl-C in a terminal goes to a whole group, and the server has to end last.
  const child = spawn(command, args, { stdio: "ignore", detached: true, cwd: folder });
  const exited = new Promise<void>((resolve) => {
    child.once("exit", () => resolve());
    child.once("error", () => resolve());
  });
  const guardian = guard(child.pid === undefined ? [] : [child.pid], [folder]);
  const running = () => child.pid !== undefined && child.exitCode === null && child.signalCode === null;
  const stop = async (): Promise<void> => {
    if (running()) child.kill(stopSignal);
    const timer = setTimeout(() => child.kill("SIGKILL"), STOP_TIMEOUT_MS);
    await exited;
    clearTimeout(timer);
    guardian.dismiss();
    rmSync(folder, { recursive: true, force: true });
  };
  const deadline = performance.now() + READY_TIMEOUT_MS;
  while (running() && !(await accepts(port))) {
    if (performance.now() > deadline) break;
    await delay(50);
  }
  if (running() && (await accepts(port))) return stop;
  await stop();
  throw new Error(`${command} did not start`);
}

function accepts(port: number): Promise<boolean> {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port });
    socket.once("connect", () => resolve(true));
    socket.once("error", () => resolve(false));
    socket.once("connect", () => socket.destroy());
  });
}

interface ServerUser {
  readonly uid: number;
  readonly gid: number;
  command(binary: string, args: string[]): [string, string[]];
}

/** PostgreSQL refuses to run as root: then it runs as the user that its package has made, or not at all. */
function serverUser(): ServerUser | undefined {
  const [uid, gid] = [process.getuid?.() ?? 0, process.getgid?.() ?? 0];
  if (uid !== 0) return { uid, gid, command: (binary, args) => [binary, args] };
  const entry = /^postgres:[^:]*:(\d+):(\d+):/m.exec(readFileSync("/etc/passwd", "utf8"));
  if (entry === null) return undefined;
  const [postgresUid, postgresGid] = [Number(entry[1]), Number(entry[2])];
  const asPostgres = [`--reuid=${postgresUid}`, `--regid=${postgresGid}`, "--clear-groups"];
  // setpriv becomes the server, so that the process that was started is the one to end.
  const command = (binary: string, args: string[]): [string, string[]] => ["setpriv", [...asPostgres, binary, ...args]];
  return { uid: postgresUid, gid: postgresGid, command };
}

/** Newest first. */
function debianPostgresDirs(): string[] {
  const base = "/usr/lib/postgresql";
  if (!existsSync(base)) return [];
  const versions = readdirSync(base).toSorted((a, b) => Number(b) - Number(a));
  return versions.map((version) => join(base, version, "bin"));
}

function find(name: string, dirs: readonly string[] = []): string | undefined {
  const path = (process.env["PATH"] ?? "").split(delimiter).filter((dir) => dir !== "");
  return [...dirs, ...path].map((dir) => join(dir, name)).find((file) => existsSync(file));
}

function output(command: string, args: readonly string[]): string {
  const { status, stdout, stderr, error } = spawnSync(command, args, { encoding: "utf8", cwd: "/" });
  if (status !== 0) throw new Error(`${command} failed: ${error?.message ?? stderr}`);
  return stdout.trim();
}
