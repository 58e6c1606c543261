import { closeSync, constants, mkdtempSync, openSync, readFileSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../../test/setup/eventually.js";
import { createNamedPipe, type NamedPipe } from "../../../test/setup/named-pipe.js";
import { LineOutput } from "./line-output.js";

const folder = mkdtempSync(join(tmpdir(), "line-output-"));
const path = join(folder, "log");
/** Every write to it fails with ENOSPC. */
const fullFd = openSync("/dev/full", "w");
let pipe: NamedPipe;
let pipeFd: number;
let fileFd: number;

beforeEach(() => {
  pipe = createNamedPipe();
  pipeFd = openSync(pipe.path, constants.O_WRONLY | constants.O_NONBLOCK);
  fileFd = openSync(path, "w");
});
afterEach(() => {
  closeSync(pipeFd);
  closeSync(fileFd);
  pipe.remove();
});
afterAll(() => {
  closeSync(fullFd);
  rmSync(folder, { recursive: true });
});

/** An output whose descriptor can be changed, as a disk that gets room. */
function outputTo(fd: number, limits: { maxWaitingLines?: number; maxWaitingBytes?: number } = {}) {
  const descriptor = { fd, unblock: () => undefined };
  const output: LineOutput = new LineOutput({
    descriptor,
    onDropped: (lines) => output.write(`${lines} dropped\n`),
    ...limits,
  });
  return { output, descriptor };
}

const linesOf = (text: string): string[] => text.split("\n").slice(0, -1);
const numbered = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, index) => String(from + index));

describe("an output that takes everything", () => {
  it("has each line at once", () => {
    const { output } = outputTo(fileFd);
    output.write("one\n");
    output.write("zwölf\n");
    expect(readFileSync(path, "utf8")).toBe("one\nzwölf\n");
    expect(output.droppedLines).toBe(0);
  });
});

describe("a full disk", () => {
  it("fails no write, keeps what came first, and says in its place how many lines were dropped", async () => {
    const { output, descriptor } = outputTo(fullFd, { maxWaitingLines: 3 });
    for (const line of numbered(1, 9)) output.write(`${line}\n`);
    expect(output.droppedLines).toBe(5);
    descriptor.fd = fileFd;
    await eventually("there is room again", () => readFileSync(path, "utf8").includes("dropped"));
    output.write("10\n");
    expect(linesOf(readFileSync(path, "utf8"))).toEqual(["1", "2", "3", "4", "5 dropped", "10"]);
    expect(output.droppedLines).toBe(5);
  });

  it("holds up no end of the process", () => {
    const { output } = outputTo(fullFd);
    output.write("1\n");
    output.flush(60_000);
  });
});

describe("a pipe that nobody reads", () => {
  it("drops lines beyond a bound of bytes, and loses none before", async () => {
    const line = "x".repeat(999);
    const { output } = outputTo(pipeFd, { maxWaitingBytes: 10_000 });
    for (let count = 0; count < 500; count += 1) output.write(`${line}\n`);
    const dropped = output.droppedLines;
    expect(dropped).toBeGreaterThan(300);
    let text = "";
    await eventually("the reader has the gap", () => {
      text += pipe.read();
      return text.endsWith("dropped\n");
    });
    expect(linesOf(text)).toEqual([...Array.from({ length: 500 - dropped }, () => line), `${dropped} dropped`]);
  });

  it("gets the rest of a line that it took in part", async () => {
    const { output } = outputTo(pipeFd);
    const line = "y".repeat(300_000);
    output.write(`${line}\n`);
    output.write("next\n");
    let text = "";
    await eventually("the reader has both", () => {
      text += pipe.read();
      return text.endsWith("next\n");
    });
    expect(linesOf(text)).toEqual([line, "next"]);
    expect(output.droppedLines).toBe(0);
  });

  it("delays the end of the process by no more than was said", () => {
    const { output } = outputTo(pipeFd);
    for (const line of numbered(1, 20_000)) output.write(`${line}\n`);
    const beganMs = performance.now();
    output.flush(50);
    expect(performance.now() - beganMs).toBeLessThan(5_000);
    const first = linesOf(pipe.read());
    output.flush(50);
    const all = [...first, ...linesOf(pipe.read())];
    expect(all).toEqual(numbered(1, all.length));
    expect(all.length).toBeGreaterThan(first.length);
  });
});

describe("a pipe whose reader has gone", () => {
  it("fails no write, drops what it cannot keep, and holds up no end of the process", () => {
    const { output } = outputTo(pipeFd, { maxWaitingLines: 1 });
    pipe.closeReader();
    for (const line of numbered(1, 4)) output.write(`${line}\n`);
    expect(output.droppedLines).toBe(2);
    output.flush(60_000);
  });
});
