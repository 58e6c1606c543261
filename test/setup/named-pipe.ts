import { execFileSync } from "node:child_process";
import { closeSync, constants, mkdtempSync, openSync, readSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";

/** A pipe whose reader reads only when it is told to. Writers open its path. */
export interface NamedPipe {
  readonly path: string;
  /** The bytes that were written and not read. */
  read(): string;
  /** From now on writers get EPIPE. */
  closeReader(): void;
  remove(): void;
}

export function createNamedPipe(): NamedPipe {
  const folder = mkdtempSync(join(tmpdir(), "named-pipe-"));
  const path = join(folder, "pipe");
  execFileSync("mkfifo", [path]);
  const fd = openSync(path, constants.O_RDONLY | constants.O_NONBLOCK);
  const chunk = Buffer.alloc(64 * 1024);
  let isClosed = false;
  const closeReader = (): void => {
    if (!isClosed) closeSync(fd);
    isClosed = true;
  };
  const readChunk = (): Buffer => {
    try {
      return Buffer.from(chunk.subarray(0, readSync(fd, chunk)));
    } catch {
      return Buffer.alloc(0);
    }
  };
  return {
    path,
    read() {
      const chunks = [readChunk()];
      while (chunks.at(-1)!.length > 0) chunks.push(readChunk());
      return Buffer.concat(chunks).toString();
    },
    closeReader,
    remove() {
      closeReader();
      rmSync(folder, { recursive: true });
    },
  };
}
