import { type ChildProcess, spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";

const fixture = join(__dirname, "process.fixture.mjs");
const children: ChildProcess[] = [];

/** Runs the fixture in a process of its own; lines are what it printed so far. */
function run(mode: string): { child: ChildProcess; lines: string[]; line: (text: string) => Promise<void> } {
  const child = spawn(process.execPath, ["--import", "tsx", fixture, mode], { stdio: ["ignore", "pipe", "inherit"] });
  children.push(child);
  const lines: string[] = [];
  const reader = createInterface({ input: child.stdout! });
  reader.on("line", (line) => lines.push(line));
  // A process that ends may reset its side of the pipe. Every line that it wrote has arrived by then.
  reader.on("error", () => undefined);
  const line = async (text: string): Promise<void> => {
    while (!lines.some((candidate) => candidate.includes(text))) await once(reader, "line");
  };
  return { child, lines, line };
}

async function exitOf(child: ChildProcess): Promise<number | null> {
  if (child.exitCode === null) await once(child, "close");
  return child.exitCode;
}

afterAll(() => {
  for (const child of children) child.kill("SIGKILL");
});

describe("runProcess", () => {
  it("starts in order and stops in reverse, readiness first, and ends with 0", async () => {
    const { child, lines, line } = run("plain");
    await line("second started");
    child.kill("SIGTERM");
    expect(await exitOf(child)).toBe(0);
    expect(lines.filter((text) => !text.startsWith("{"))).toEqual([
      "first started",
      "second started",
      "not ready",
      "second stopped",
      "first stopped",
    ]);
  });

  it("takes the echo of a signal for the same one", async () => {
    const { child, line } = run("plain");
    await line("second started");
    child.kill("SIGINT");
    child.kill("SIGTERM");
    expect(await exitOf(child)).toBe(0);
  });

  it("bears a stop during its start, and stops what had begun", async () => {
    const { child, lines, line } = run("slow-start");
    await line("first started");
    child.kill("SIGTERM");
    expect(await exitOf(child)).toBe(0);
    expect(lines).toContain("slow stopped");
    expect(lines).toContain("first stopped");
    expect(lines).not.toContain("second started");
  });

  it("ends at once on a second signal", async () => {
    const { child, line } = run("slow-stop");
    await line("second started");
    child.kill("SIGTERM");
    await line("slow stops");
    // Those that come close to the first are the same Ctrl-C.
    const impatience = setInterval(() => child.kill("SIGINT"), 100);
    expect(await exitOf(child).finally(() => clearInterval(impatience))).toBe(130);
  });

  it("tells parts when the grace is over", async () => {
    const { child, lines, line } = run("short-grace");
    await line("second started");
    child.kill("SIGTERM");
    expect(await exitOf(child)).toBe(0);
    expect(lines).toContain("slow cut");
  });

  it("ends with 1 when a part cannot start, says which, and stops the others", async () => {
    const { child, lines } = run("taken-port");
    expect(await exitOf(child)).toBe(1);
    expect(lines).toContain("first stopped");
    expect(lines.find((line) => line.includes("fatal"))).toMatch(
      /HTTP_PORT: cannot listen on 127\.0\.0\.1:\d+: the port is taken/,
    );
  });

  it("ends with 1 on an error that nobody caught", async () => {
    const { child, lines } = run("uncaught");
    expect(await exitOf(child)).toBe(1);
    expect(lines.find((line) => line.includes('"fatal"'))).toContain("nobody caught this");
  });
});
