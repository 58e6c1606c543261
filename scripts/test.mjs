import { mkdtempSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "./build.mjs";
import { ensureDependencies } from "./dependencies.mjs";
import { runMain } from "./fault.mjs";
import { findOrStartMariaDb } from "./mariadb.mjs";
import { run, toolEnv } from "./run.mjs";

const testTimeoutMs = 3_600_000;

/** More than two cores have: most specs await what is due in a while. */
const workers = 3;

/** Neither the processes nor the database's sessions are in UTC: what quietly relies on that fails here. */
const foreignZone = { process: "America/St_Johns", session: "+05:45" };

const interrupted = new AbortController();

async function main() {
  for (const signal of ["SIGINT", "SIGTERM", "SIGHUP"]) process.on(signal, () => interrupted.abort());
  await ensureDependencies();
  const preparing = findOrStartMariaDb({ purpose: "test", extraArgs: [`--default-time-zone=${foreignZone.session}`] });
  const [database, built] = await Promise.allSettled([preparing, build()]);
  try {
    if (database.status === "rejected") throw database.reason;
    if (built.status === "rejected") throw built.reason;
    return await runJest(database.value.url);
  } finally {
    if (database.status === "fulfilled") await database.value.stop();
  }
}

async function runJest(databaseUrl) {
  const dir = mkdtempSync(join(tmpdir(), "taskscheduler-jest-"));
  const resultFile = join(dir, "result.json");
  const env = { TZ: foreignZone.process, ...toolEnv(), TEST_DATABASE_URL: databaseUrl };
  const args = ["--ci", `--maxWorkers=${workers}`, "--json", `--outputFile=${resultFile}`, ...process.argv.slice(2)];
  try {
    const { code } = await run("jest", args, { env, timeoutMs: testTimeoutMs, signal: interrupted.signal });
    return report(code, readResult(resultFile));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

/** Jest that did not come to its end leaves no result: that is one failure. */
function readResult(file) {
  try {
    return JSON.parse(readFileSync(file, "utf8"));
  } catch {
    return { numPassedTests: 0, numFailedTests: 1, numPendingTests: 0, numTodoTests: 0, numRuntimeErrorTestSuites: 0 };
  }
}

/** A suite that does not load has no tests that could fail, and counts as one. */
function report(code, result) {
  const passed = result.numPassedTests;
  const failed = result.numFailedTests + result.numRuntimeErrorTestSuites;
  const skipped = result.numPendingTests + result.numTodoTests;
  summary = `Tests: ${passed} passed, ${failed} failed${skipped ? `, ${skipped} skipped` : ""}`;
  if (passed + failed === 0) console.error("No test ran.");
  return code || (failed > 0 || passed === 0 ? 1 : 0);
}

let summary = "Tests: 0 passed, 1 failed";
await runMain(main);
console.log(summary);
