import { type ChildProcess, spawn } from "node:child_process";
import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, truncateSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { eventually } from "../../../test/setup/eventually.js";
import { createNamedPipe, type NamedPipe } from "../../../test/setup/named-pipe.js";

const FIXTURE = join(__dirname, "process-log.fixture.mjs");
/** More than a pipe and the queue hold together. */
const MANY = 20_000;
const LIMIT_MS = 50_000;

const folder = mkdtempSync(join(tmpdir(), "process-log-"));
const path = join(folder, "log");
const children: ChildProcess[] = [];
let pipe: NamedPipe;

beforeEach(() => {
  pipe = createNamedPipe();
});
afterEach(() => {
  for (const child of children) child.kill("SIGKILL");
  pipe.remove();
});
afterAll(() => rmSync(folder, { recursive: true }));

/** Runs the fixture with its standard output at a path. @param wrap puts a shell around its command */
function run(stdoutPath: string, args: readonly string[], wrap = (command: string[]) => command) {
  const stderrPath = join(folder, `errors-${children.length}`);
  const outputs = [openSync(stdoutPath, "a"), openSync(stderrPath, "w")];
  const [file = "", ...rest] = wrap([process.execPath, "--import", "tsx", FIXTURE, ...args]);
  const child = spawn(file, rest, { stdio: ["ignore", ...outputs] });
  for (const output of outputs) closeSync(output);
  children.push(child);
  const errors = () => readFileSync(stderrPath, "utf8");
  const exited = new Promise<number | null>((resolve) => child.once("exit", resolve));
  /** The number of dropped lines that the process reported at its end. */
  const dropped = () =>
    eventually("everything is logged", () => /^\d+ (\d+)$/m.exec(errors())?.[1], LIMIT_MS).then(Number);
  return { child, exited, dropped, errors };
}

/** Whole lines, each of which must be JSON. */
function parse(
  text: string,
): { number?: number; lines?: number; level: string; msg: string; err?: { name: string } }[] {
  return text
    .split("\n")
    .slice(0, -1)
    .map((line) => JSON.parse(line));
}

const numbersIn = (lines: ReturnType<typeof parse>) => lines.flatMap(({ number }) => number ?? []);
const gapsIn = (lines: ReturnType<typeof parse>) => lines.filter(({ msg }) => msg.includes("dropped"));
const firstNumbers = (count: number) => Array.from({ length: count }, (_, index) => index + 1);

/** Reads the pipe until the text is there. */
async function readUntil(found: string, text = ""): Promise<string> {
  let all = text;
  await eventually(`the log has ${found}`, () => {
    all += pipe.read();
    return all.includes(found);
  });
  return all;
}

describe("a reader of standard output that stalls", () => {
  it("stalls nothing else, gets one line that counts what it missed, and the last lines", async () => {
    const { child, exited, dropped, errors } = run(pipe.path, [String(MANY)]);
    const count = await dropped();
    expect(count).toBeGreaterThan(0);
    const text = await readUntil("dropped");
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    const lines = parse(await readUntil("stopped", text));
    expect(numbersIn(lines)).toEqual(firstNumbers(MANY - count));
    expect(gapsIn(lines)).toMatchObject([{ level: "warn", lines: count }]);
    expect(lines.at(-1)?.msg).toBe("stopped");
    expect(errors()).toMatch(/^\d+ \d+\n$/);
  });

  it("gets every line when it reads on while the process ends", async () => {
    const { exited } = run(pipe.path, ["5000", "exit"]);
    let text = "";
    await eventually(
      "all lines",
      () => {
        text += pipe.read();
        return text.includes('"number":5000');
      },
      LIMIT_MS,
    );
    expect(await exited).toBe(0);
    expect(numbersIn(parse(text))).toEqual(firstNumbers(5_000));
  });

  it("holds up no end of the process", async () => {
    expect(await run(pipe.path, ["5000", "exit"]).exited).toBe(0);
    expect(await run(pipe.path, ["5000", "throw"]).exited).toBe(1);
  });
});

describe("a reader of standard output that goes away", () => {
  it("ends nothing", async () => {
    const { child, exited, dropped } = run(pipe.path, [String(MANY)]);
    pipe.closeReader();
    expect(await dropped()).toBeGreaterThan(0);
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
  });
});

describe("a file that takes no more", () => {
  it("ends nothing, and has every line or its count when it was emptied", async () => {
    // In blocks of 512 bytes: room for what waits, and for what comes after it.
    const limited = (command: string[]) => ["sh", "-c", 'ulimit -f 4096; exec "$@"', "sh", ...command];
    const { child, exited, dropped } = run(path, [String(2 * MANY)], limited);
    const count = await dropped();
    expect(count).toBeGreaterThan(0);
    const before = parse(readFileSync(path, "utf8"));
    truncateSync(path);
    await eventually("it goes on", () => readFileSync(path, "utf8").includes("dropped"));
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    const after = parse(readFileSync(path, "utf8"));
    expect(numbersIn([...before, ...after])).toEqual(firstNumbers(2 * MANY - count));
    expect(gapsIn(after)).toMatchObject([{ lines: count }]);
    expect(after.at(-1)?.msg).toBe("stopped");
  });
});

describe("what Node.js and libraries print", () => {
  it("is a line of the log, and nothing on standard error", async () => {
    const { child, exited, dropped, errors } = run(pipe.path, ["0", "warn"]);
    await dropped();
    child.kill("SIGTERM");
    expect(await exited).toBe(0);
    expect(parse(pipe.read()).slice(0, 2)).toMatchObject([
      { level: "warn", msg: "printed: a library says so" },
      { level: "warn", err: { name: "DeprecationWarning" } },
    ]);
    expect(errors()).toMatch(/^\d+ 0\n$/);
  });
});

describe("a terminal that goes away", () => {
  it("ends nothing, and the process ends with 0 later", async () => {
    const exitFile = join(folder, "exit");
    // A terminal of its own; the shell outlives it, to tell how the fixture ended.
    const inTerminal = (command: string[]) => {
      const quoted = [...command].map((word) => `'${word}'`).join(" ");
      return ["script", "-qec", `trap '' HUP; ${quoted} 2>${path}; echo $? >${exitFile}`, "/dev/null"];
    };
    const { child } = run("/dev/null", ["10"], inTerminal);
    const pid = await eventually("it runs", () => /^(\d+) 0$/m.exec(readFileSync(path, "utf8"))?.[1], LIMIT_MS);
    child.kill("SIGKILL");
    await eventually("the terminal has gone", () => child.signalCode);
    process.kill(Number(pid), "SIGTERM");
    await eventually("it has ended with 0", () => readFileSync(exitFile, "utf8") === "0\n");
  });
});
