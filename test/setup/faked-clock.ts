import { mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { findLibfaketime } from "../../scripts/libfaketime.mjs";

/** A wall clock of its own for the processes that are started with `env`; their monotonic clock stays the machine's. */
export interface FakedClock {
  readonly env: Readonly<Record<string, string>>;
  /** Sets it, for all of those processes at once, to so much more than the machine's. */
  set(offsetSeconds: number): void;
  remove(): void;
}

const library = findLibfaketime();

/**
 * For what needs faked clocks: `describe`, or `describe.skip` where libfaketime is not installed, which is said. In CI it
 * has to be there, and the tests fail without it.
 */
export function describeWithFakedClock(name: string, body: () => void): void {
  const isNeeded = library !== undefined || (process.env["CI"] ?? "") !== "";
  if (!isNeeded) process.stderr.write(`skipped, as libfaketime is missing (apt-get install libfaketime): ${name}\n`);
  (isNeeded ? describe : describe.skip)(name, body);
}

export function createFakedClock(offsetSeconds = 0): FakedClock {
  if (library === undefined) throw new Error("libfaketime is missing: apt-get install libfaketime");
  const dir = mkdtempSync(join(tmpdir(), "taskscheduler-clock-"));
  const file = join(dir, "offset");
  const set = (seconds: number): void => {
    // Renamed into its place: the library ends a process that reads half of it.
    writeFileSync(`${file}.new`, `${seconds < 0 ? "" : "+"}${seconds}\n`);
    renameSync(`${file}.new`, file);
  };
  set(offsetSeconds);
  return {
    env: {
      LD_PRELOAD: library,
      FAKETIME_TIMESTAMP_FILE: file,
      FAKETIME_NO_CACHE: "1",
      FAKETIME_DONT_FAKE_MONOTONIC: "1",
    },
    set,
    remove: () => rmSync(dir, { recursive: true, force: true }),
  };
}
