import { fstatSync, writeSync } from "node:fs";
import { systemErrorCode } from "./system-error.js";

/** An open file, pipe, socket or terminal. */
export interface Descriptor {
  readonly fd: number;
  /** Lets a write fail with EAGAIN where it would wait. Another process that has the descriptor may have undone it. */
  unblock(): void;
}

export interface LineOutputOptions {
  readonly descriptor: Descriptor;
  /** Called when the output works again after lines were dropped. The lines that it writes stand in the gap. */
  readonly onDropped: (lines: number) => void;
  /** Default: 1 MiB. */
  readonly maxWaitingBytes?: number;
  /** Default: 10,000. */
  readonly maxWaitingLines?: number;
}

const MAX_WAITING_BYTES = 1024 * 1024;
const MAX_WAITING_LINES = 10_000;
/** How long a full pipe is left alone. */
const FULL_RETRY_MS = 20;
/** How long a full disk, or a pipe that nobody reads any more, is left alone. */
const BROKEN_RETRY_MS = 1_000;
const FLUSH_RETRY_MS = 5;
const NOTHING = Buffer.alloc(0);

/** Why a write did not take the whole line. */
type Obstacle = "full" | "broken";

/**
 * Writes lines to a descriptor. A write never waits and never throws.
 *
 * The output is in one of three modes:
 * - open: a line is written at once, by one system call.
 * - waiting: the descriptor takes no more. Lines wait in a queue and are written when there is room.
 * - dropping: the queue is full. New lines are dropped and counted until the whole queue has been written, so that the
 *   log has one gap and the report of the gap stands at its place.
 */
export class LineOutput {
  readonly #descriptor: Descriptor;
  readonly #onDropped: (lines: number) => void;
  readonly #maxWaitingBytes: number;
  readonly #maxWaitingLines: number;
  #waiting: string[] = [];
  #waitingBytes = 0;
  /** The line that is being written, and how much of it the descriptor has taken. */
  #line: Buffer = NOTHING;
  #writtenBytes = 0;
  /** The size of the file when it took no more; 0 for a pipe. */
  #fileBytes = 0;
  #retry: NodeJS.Timeout | undefined;
  #gapLines = 0;
  #droppedLines = 0;

  constructor(options: LineOutputOptions) {
    this.#descriptor = options.descriptor;
    this.#onDropped = options.onDropped;
    this.#maxWaitingBytes = options.maxWaitingBytes ?? MAX_WAITING_BYTES;
    this.#maxWaitingLines = options.maxWaitingLines ?? MAX_WAITING_LINES;
  }

  /** All lines that were dropped so far. */
  get droppedLines(): number {
    return this.#droppedLines;
  }

  /** @param line with its line feed */
  write(line: string): void {
    if (this.#retry !== undefined) {
      this.#enqueue(line);
      return;
    }
    const obstacle = this.#put(line);
    if (obstacle !== undefined) this.#retryAfter(obstacle);
  }

  /** Writes what waits, and blocks for that. Gives up after a time, and at once on a descriptor that is broken. */
  flush(timeoutMs: number): void {
    const untilMs = performance.now() + timeoutMs;
    while (this.#retry !== undefined) {
      const obstacle = this.#writeWaiting();
      if (obstacle === "broken" || performance.now() >= untilMs) return;
      if (obstacle === "full") block(FLUSH_RETRY_MS);
    }
  }

  #enqueue(line: string): void {
    const bytes = Buffer.byteLength(line);
    const isFull = this.#waiting.length >= this.#maxWaitingLines || this.#waitingBytes + bytes > this.#maxWaitingBytes;
    if (isFull || this.#gapLines > 0) {
      this.#gapLines += 1;
      this.#droppedLines += 1;
      return;
    }
    this.#waiting.push(line);
    this.#waitingBytes += bytes;
  }

  #retryAfter(obstacle: Obstacle): void {
    this.#fileBytes = fileBytesOf(this.#descriptor);
    clearTimeout(this.#retry);
    this.#retry = setTimeout(() => this.#writeWaiting(), obstacle === "full" ? FULL_RETRY_MS : BROKEN_RETRY_MS);
    this.#retry.unref();
  }

  /** @returns undefined where nothing waits any more */
  #writeWaiting(): Obstacle | undefined {
    let obstacle = this.#resumeLine();
    let taken = 0;
    for (; obstacle === undefined && taken < this.#waiting.length; taken += 1) {
      const line = this.#waiting[taken] ?? "";
      this.#waitingBytes -= Buffer.byteLength(line);
      obstacle = this.#put(line);
    }
    this.#waiting.splice(0, taken);
    if (obstacle !== undefined) {
      this.#retryAfter(obstacle);
      return obstacle;
    }
    clearTimeout(this.#retry);
    this.#retry = undefined;
    const gapLines = this.#gapLines;
    this.#gapLines = 0;
    if (gapLines > 0) this.#onDropped(gapLines);
    return undefined;
  }

  #put(line: string): Obstacle | undefined {
    this.#line = Buffer.from(line);
    this.#writtenBytes = 0;
    return this.#writeLine();
  }

  /** A pipe or a disk may take a part of a line. The rest follows, so that the log has no torn lines. */
  #writeLine(): Obstacle | undefined {
    const { fd } = this.#descriptor;
    try {
      this.#descriptor.unblock();
      while (this.#writtenBytes < this.#line.length)
        this.#writtenBytes += writeSync(fd, this.#line, this.#writtenBytes);
      return undefined;
    } catch (error) {
      return systemErrorCode(error) === "EAGAIN" ? "full" : "broken";
    }
  }

  /** Goes on with the line. Somebody who emptied a full log has removed the beginning of the line as well. */
  #resumeLine(): Obstacle | undefined {
    if (this.#writtenBytes > 0 && fileBytesOf(this.#descriptor) < this.#fileBytes) this.#writtenBytes = 0;
    return this.#writeLine();
  }
}

function fileBytesOf({ fd }: Descriptor): number {
  try {
    return fstatSync(fd).size;
  } catch {
    return 0;
  }
}

function block(ms: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
}
