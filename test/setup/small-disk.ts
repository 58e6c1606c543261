import { execFileSync } from "node:child_process";
import { mkdtempSync, rmSync, statfsSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A file system of a few megabytes in the place of a folder. */
export interface SmallDisk {
  /** Leaves no room for a file to grow. */
  fill(): void;
  /** Gives back the room that `fill` took. */
  free(): void;
  unmount(): void;
}

/**
 * For tests that mount a file system: `describe`, or `describe.skip` where this process may not mount one. In CI it has to
 * be allowed, and the tests fail without it.
 */
export function describeWithSmallDisk(name: string, body: () => void): void {
  const isNeeded = mayMount() || (process.env["CI"] ?? "") !== "";
  if (!isNeeded) process.stderr.write(`skipped, as this process may not mount a file system: ${name}\n`);
  (isNeeded ? describe : describe.skip)(name, body);
}

function mayMount(): boolean {
  const folder = mkdtempSync(join(tmpdir(), "taskscheduler-mount-"));
  try {
    mountSmallDisk(folder, 1).unmount();
    return true;
  } catch {
    return false;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param folder an empty one */
export function mountSmallDisk(folder: string, megabytes: number): SmallDisk {
  execFileSync("mount", ["-t", "tmpfs", "-o", `size=${megabytes}m`, "tmpfs", folder], { stdio: "ignore" });
  const filler = join(folder, "filler");
  return {
    fill() {
      const { bavail, bsize } = statfsSync(folder);
      try {
        writeFileSync(filler, Buffer.alloc(bavail * bsize));
      } catch (error) {
        // Another file has grown meanwhile: then the disk is full as well.
        if ((error as NodeJS.ErrnoException).code !== "ENOSPC") throw error;
      }
    },
    free: () => rmSync(filler, { force: true }),
    unmount: () => void execFileSync("umount", ["--lazy", folder]),
  };
}
