import { createLogger } from "./logger.js";
import { ReadinessLog } from "./readiness.js";

describe("readiness log", () => {
  const lines: { msg: string; level: string; reasons?: string[] }[] = [];
  const logger = createLogger({
    name: "test",
    level: "info",
    destination: { write: (line) => void lines.push(JSON.parse(line)) },
  });
  let reasons: string[] = [];
  let log: ReadinessLog;

  beforeEach(() => {
    jest.useFakeTimers();
    lines.length = 0;
    reasons = ["the database does not answer"];
    log = new ReadinessLog({ readiness: () => reasons, logger });
  });
  afterEach(async () => {
    await log.stop();
    jest.useRealTimers();
  });

  const told = () => lines.map(({ level, msg, reasons }) => [level, msg, ...(reasons ?? [])]);

  it("tells a reason when it comes, again while it lasts, and once when it is over", async () => {
    await log.start();
    jest.advanceTimersByTime(29_500);
    expect(told()).toEqual([["warn", "not ready", "the database does not answer"]]);
    jest.advanceTimersByTime(61_000);
    expect(lines).toHaveLength(3);
    reasons = [];
    jest.advanceTimersByTime(100_000);
    expect(told().slice(3)).toEqual([["info", "ready"]]);
  });

  it("tells other reasons soon, all of them together", async () => {
    await log.start();
    jest.advanceTimersByTime(1_000);
    reasons = ["a", "b"];
    jest.advanceTimersByTime(5_000);
    expect(told()[1]).toEqual(["warn", "not ready", "a", "b"]);
  });

  it("tells at once when it is over, and when it comes back", async () => {
    await log.start();
    jest.advanceTimersByTime(1_000);
    reasons = [];
    jest.advanceTimersByTime(1_000);
    reasons = ["again"];
    jest.advanceTimersByTime(1_000);
    expect(told().slice(1)).toEqual([
      ["info", "ready"],
      ["warn", "not ready", "again"],
    ]);
  });

  it("tells one line in five seconds, however the reasons replace each other", async () => {
    await log.start();
    for (let n = 0; n < 2_100; n += 1) {
      reasons = [`reason ${n}`];
      jest.advanceTimersByTime(10);
    }
    expect(lines).toHaveLength(5);
  });

  it("tells nothing once it is stopped", async () => {
    await log.start();
    await log.stop();
    jest.advanceTimersByTime(100_000);
    expect(lines).toEqual([]);
  });
});
