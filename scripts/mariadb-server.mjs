import { spawn } from "node:child_process";
import { randomBytes } from "node:crypto";
import { once } from "node:events";
import {
  closeSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  openSync,
  readFileSync,
  renameSync,
  rmSync,
  writeFileSync,
} from "node:fs";
import { connect } from "node:net";
import { tmpdir, userInfo } from "node:os";
import { dirname, join } from "node:path";
import { Fault } from "./fault.mjs";
import { guard } from "./guardian.mjs";
import { findMariaDbBinaries } from "./mariadb-binaries.mjs";
import { freePort } from "./ports.mjs";
import { run } from "./run.mjs";
import { waitFor } from "./wait.mjs";

const user = "taskscheduler";
const readyTimeoutMs = 60_000;
const stopTimeoutMs = 30_000;
const portAttempts = 3;

/** Small buffers, as many of these servers live side by side; every commit is flushed, as in production. */
const serverArgs = [
  "--bind-address=127.0.0.1",
  "--skip-name-resolve",
  "--character-set-server=utf8mb4",
  "--collation-server=utf8mb4_general_ci",
  "--default-time-zone=+00:00",
  "--max-connections=300",
  "--innodb-flush-log-at-trx-commit=1",
  "--innodb-buffer-pool-size=64M",
  "--innodb-log-file-size=32M",
  "--key-buffer-size=1M",
  "--aria-pagecache-buffer-size=1M",
];

/**
 * Starts a MariaDB server of our own. A folder that is not there is initialised first; one that is there goes on, also after
 * a kill -9. Where this process dies without having stopped the server, a guardian stops it.
 *
 * States: running → (kill, or a death of its own) dead → (start) running → (stop) stopped, for good.
 *
 * @param {import("./mariadb.mjs").PrivateServerOptions} [options]
 * @returns {Promise<import("./mariadb.mjs").PrivateServer>}
 */
export async function startPrivateServer({ dataDir, port, database = "taskscheduler", extraArgs = [] } = {}) {
  const binaries = await findMariaDbBinaries();
  if (!binaries)
    throw new Fault(
      "There is no MariaDB server on this machine: mariadbd and mariadb-install-db are looked for on the PATH.",
    );
  // Not below TMPDIR where that is long: the path of a socket may have 107 bytes.
  const runDir = mkdtempSync(join(tmpdir().length < 60 ? tmpdir() : "/tmp", "taskscheduler-"));
  const dir = dataDir ?? join(runDir, "data");
  const temporary = dataDir ? [runDir] : [runDir, dir];
  const clean = () => {
    for (const folder of temporary) rmSync(folder, { recursive: true, force: true });
  };
  try {
    if (!existsSync(dir)) await initialise(binaries, dir);
    const password = ensurePassword(join(dir, "password.txt"));
    const place = { binaries, dir, runDir, extraArgs, initFile: writeInitFile(runDir, password, database) };
    const first = await launchOnFreePort(place, port, temporary);
    return controlled(place, first, { temporary, clean, password, database });
  } catch (error) {
    clean();
    throw error;
  }
}

function controlled(place, first, { temporary, clean, password, database }) {
  let current = first;
  let stopped;
  const stop = async () => {
    await end(current, stopTimeoutMs);
    clean();
  };
  return {
    url: `mariadb://${user}:${password}@127.0.0.1:${first.port}/${database}`,
    port: first.port,
    dataDir: place.dir,
    socket: join(place.runDir, "s"),
    get pid() {
      return current.child.pid;
    },
    get exited() {
      return current.exited;
    },
    async kill() {
      current.child.kill("SIGKILL");
      await current.exited;
      current.guardian.dismiss();
    },
    async start() {
      if (stopped) throw new Error("This server was stopped for good: start another one.");
      if (isRunning(current)) return;
      current.guardian.dismiss();
      current = await launch(place, first.port, temporary);
    },
    stop() {
      stopped ??= stop();
      return stopped;
    },
  };
}

/** Made beside and then renamed: a folder of this name is always whole. */
async function initialise({ installDb }, dir) {
  const fresh = `${dir}.new-${process.pid}`;
  mkdirSync(dirname(dir), { recursive: true });
  rmSync(fresh, { recursive: true, force: true });
  const args = [
    "--no-defaults",
    `--datadir=${fresh}`,
    // A server that starts removes the temporary tables in its folder, also those of another that is being installed.
    `--tmpdir=${dirname(dir)}`,
    "--auth-root-authentication-method=socket",
    "--skip-test-db",
    "--innodb-log-file-size=32M",
  ];
  const { code, output } = await run(installDb, [...args, ...userArgs()], { capture: true, timeoutMs: 120_000 });
  if (code === 0) return renameSync(fresh, dir);
  rmSync(fresh, { recursive: true, force: true });
  throw new Fault(`MariaDB's data folder could not be made (exit code ${code}):\n${output.slice(-2000)}`);
}

/** The server refuses to run as root unless told to: the folder is root's, so no other user could read it. */
function userArgs() {
  return process.getuid?.() === 0 ? [`--user=${userInfo().username}`] : [];
}

function ensurePassword(file) {
  if (!existsSync(file)) writeFileSync(file, randomBytes(18).toString("base64url"), { mode: 0o600 });
  return readFileSync(file, "utf8").trim();
}

/** Run at each start, before the first connection is taken: the account and the database are there whatever happened before. */
function writeInitFile(runDir, password, database) {
  const file = join(runDir, "init.sql");
  const accounts = ["127.0.0.1", "localhost"].flatMap((host) => [
    `CREATE OR REPLACE USER '${user}'@'${host}' IDENTIFIED BY '${password}';`,
    `GRANT ALL PRIVILEGES ON *.* TO '${user}'@'${host}' WITH GRANT OPTION;`,
  ]);
  const create = `CREATE DATABASE IF NOT EXISTS \`${database}\` CHARACTER SET utf8mb4;`;
  writeFileSync(file, `${[...accounts, create].join("\n")}\n`, { mode: 0o600 });
  return file;
}

/** Between the search for a free port and the server's bind, another may take it: then the next one. */
async function launchOnFreePort(place, port, temporary) {
  for (let attempt = 1; ; attempt++) {
    try {
      return await launch(place, port ?? (await freePort()), temporary);
    } catch (error) {
      const portTaken = /Bind on TCP\/IP port/.test(error.message);
      if (port !== undefined || !portTaken || attempt === portAttempts) throw error;
    }
  }
}

async function launch({ binaries, dir, runDir, extraArgs, initFile }, port, temporary) {
  const logFile = join(dir, "error.log");
  const log = openSync(logFile, "w");
  const paths = [
    `--datadir=${dir}`,
    `--socket=${join(runDir, "s")}`,
    `--pid-file=${join(runDir, "pid")}`,
    `--tmpdir=${runDir}`,
    `--init-file=${initFile}`,
  ];
  const args = ["--no-defaults", ...userArgs(), ...paths, `--port=${port}`, ...serverArgs, ...extraArgs];
  // A session of its own: Ctrl-C in a terminal goes to a whole group, and the server has to be the last one to end.
  const child = spawn(binaries.server, args, { stdio: ["ignore", log, log], detached: true });
  closeSync(log);
  const exited = once(child, "exit").then(
    ([code, signal]) => ({ code, signal }),
    () => ({ code: 127, signal: null }),
  );
  const guardian = guard([child.pid], temporary);
  const server = { child, port, exited, guardian };
  const ready = await waitFor(async () => !isRunning(server) || (await greets(port)), { timeoutMs: readyTimeoutMs });
  if (ready && isRunning(server)) return server;
  await end(server, 0);
  throw new Fault(
    `MariaDB did not start. The end of its log, ${logFile}:\n${readFileSync(logFile, "utf8").slice(-2000)}`,
  );
}

function isRunning({ child }) {
  return child.exitCode === null && child.signalCode === null;
}

/** Ready is a server that says hello: the first packet of the protocol, version 10. It comes after the init file was run. */
function greets(port) {
  return new Promise((resolve) => {
    const socket = connect({ host: "127.0.0.1", port, timeout: 2000 });
    const answer = (value) => {
      socket.destroy();
      resolve(value);
    };
    socket.once("data", (packet) => answer(packet[4] === 10));
    for (const event of ["error", "timeout", "close"]) socket.once(event, () => answer(false));
  });
}

async function end({ child, exited, guardian }, timeoutMs) {
  child.kill("SIGTERM");
  const timer = setTimeout(() => child.kill("SIGKILL"), timeoutMs);
  await exited;
  clearTimeout(timer);
  guardian.dismiss();
}
