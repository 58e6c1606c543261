import { spawn } from "node:child_process";
import { join } from "node:path";

const main = join(__dirname, "..", "..", "packages", "api", "dist", "migrate.js");

export interface Migrator {
  /** What it wrote, and how it ended; code null where a signal ended it. */
  readonly ended: Promise<{ readonly code: number | null; readonly output: string }>;
  isRunning(): boolean;
  /** kill -9. */
  kill(): void;
}

/** Starts the built migration command. */
export function startMigrator(
  databaseUrl: string,
  direction: "up" | "down" = "up",
  env: Readonly<Record<string, string>> = {},
): Migrator {
  const child = spawn(process.execPath, [main, direction], {
    env: { PATH: process.env["PATH"], TZ: process.env["TZ"] ?? "UTC", DATABASE_URL: databaseUrl, ...env },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const chunks: string[] = [];
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (chunk: string) => chunks.push(chunk));
  }
  return {
    ended: new Promise((resolve) => child.once("close", (code) => resolve({ code, output: chunks.join("") }))),
    isRunning: () => child.exitCode === null && child.signalCode === null,
    kill: () => void child.kill("SIGKILL"),
  };
}

/** Migrates to the end; fails with what it wrote. @returns what it wrote */
export async function migrate(databaseUrl: string, direction: "up" | "down" = "up"): Promise<string> {
  const { code, output } = await startMigrator(databaseUrl, direction).ended;
  if (code !== 0) throw new Error(`the migration failed (exit code ${code}): ${output}`);
  return output;
}

/** Undoes the latest steps, down to the named one. */
export async function undoThrough(databaseUrl: string, step: string): Promise<void> {
  for (let last = ""; last !== `down ${step}\n`; ) {
    if (last === "nothing to do\n") throw new Error(`there is no migration ${step} to undo`);
    last = await migrate(databaseUrl, "down");
  }
}
