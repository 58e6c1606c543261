import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { aptInstall, aptPrivilege } from "./apt.mjs";
import { Fault } from "./fault.mjs";
import { acquireLock, lockHolder } from "./lock.mjs";
import { findMariaDbBinaries } from "./mariadb-binaries.mjs";
import { startPrivateServer } from "./mariadb-server.mjs";
import { dataDir as defaultDataDir } from "./paths.mjs";
import { identify, isAlive } from "./process-identity.mjs";
import { waitFor } from "./wait.mjs";

export { startPrivateServer };

const waysOut = `No MariaDB server was found. Ways out:
  - install one (Debian, Ubuntu: apt-get install mariadb-server; Fedora: dnf install mariadb-server; macOS: brew install mariadb), or
  - name one that runs: DATABASE_URL=mariadb://user:password@host:port/database`;

/**
 * The database for a command, in this order: DATABASE_URL (or DATABASE_URL_FILE) where it is set; a private server of the installed
 * mariadbd; the same after apt-get has installed it; a fault that names the ways out.
 *
 * @param {import("./mariadb.mjs").FindOptions} options
 * @returns {Promise<import("./mariadb.mjs").Database>}
 */
export async function findOrStartMariaDb({ purpose, dataDir = defaultDataDir, extraArgs = [], log = console.error }) {
  const url = configuredUrl();
  if (url) return { url, server: undefined, stop: async () => {} };
  await ensureMariaDbInstalled({ log });
  const args = purpose === "test" ? extraArgs : ["--innodb-buffer-pool-size=256M", ...extraArgs];
  if (purpose === "start") return startPersisted(dataDir, args);
  const server = await startPrivateServer({ extraArgs: args });
  return { url: server.url, server, stop: () => server.stop() };
}

/** @throws {Fault} where there is no mariadbd and this process cannot install one */
export async function ensureMariaDbInstalled({ log = console.error } = {}) {
  if (await findMariaDbBinaries()) return;
  const privilege = await aptPrivilege();
  if (!privilege) throw new Fault(waysOut);
  log(`No MariaDB server is installed: ${[...privilege, "apt-get install mariadb-server"].join(" ")} …`);
  const { code, output } = await aptInstall(["mariadb-server"], privilege);
  if (code === 0 && (await findMariaDbBinaries())) return;
  throw new Fault(`apt-get did not bring a MariaDB server (exit code ${code}):\n${output.slice(-2000)}\n${waysOut}`);
}

/** @returns {string | undefined} */
function configuredUrl() {
  const { DATABASE_URL, DATABASE_URL_FILE } = process.env;
  if (DATABASE_URL) return DATABASE_URL;
  if (!DATABASE_URL_FILE) return undefined;
  try {
    return readFileSync(DATABASE_URL_FILE, "utf8").trim();
  } catch (cause) {
    throw new Fault(`DATABASE_URL_FILE cannot be read: ${cause.message}`, { exitCode: 78, cause });
  }
}

/** One command at a time holds the data: two servers on one folder would destroy it. */
async function startPersisted(dataDir, extraArgs) {
  const lockFile = join(dataDir, "start.lock");
  const lock = await acquireLock(lockFile);
  if (!lock) {
    const holder = lockHolder(lockFile);
    throw new Fault(
      `Another npm start${holder ? ` (process ${holder.pid})` : ""} runs on ${dataDir}. End it first, or give this one a DATABASE_URL.`,
    );
  }
  try {
    const pidFile = join(dataDir, "mariadb.json");
    await endLeftover(pidFile);
    const server = await startPrivateServer({ dataDir: join(dataDir, "mariadb"), extraArgs });
    recordProcess(pidFile, server.pid);
    return { url: server.url, server: recorded(server, pidFile), stop: () => server.stop().finally(lock.release) };
  } catch (error) {
    lock.release();
    throw error;
  }
}

/**
 * A start that was killed leaves its server to the guardian, which is given its time; where the guardian died too, the
 * server is ended here. The record tells it from any other process, so that no foreign server is touched.
 */
async function endLeftover(pidFile) {
  const leftover = existsSync(pidFile) ? JSON.parse(readFileSync(pidFile, "utf8")) : undefined;
  const gone = (timeoutMs) => waitFor(() => !isAlive(leftover), { timeoutMs });
  if (await gone(2000)) return;
  process.kill(leftover.pid, "SIGTERM");
  if (await gone(20_000)) return;
  process.kill(leftover.pid, "SIGKILL");
  if (!(await gone(5000))) throw new Fault(`An earlier MariaDB server (process ${leftover.pid}) does not end.`);
}

function recordProcess(pidFile, pid) {
  writeFileSync(pidFile, JSON.stringify(identify(pid)));
}

/** A server that is started again is another process. */
function recorded(server, pidFile) {
  const start = async () => {
    await server.start();
    recordProcess(pidFile, server.pid);
  };
  return Object.create(server, { start: { value: start } });
}
