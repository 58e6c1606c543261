import { createLogger } from "./logger.js";

describe("logger", () => {
  it("writes a line of JSON a message, from its level on, with the causes of errors", () => {
    const lines: string[] = [];
    const destination = { write: (line: string) => lines.push(line) };
    const logger = createLogger({ name: "api", level: "info", destination });
    logger.debug("not this");
    logger.error({ err: new Error("outer", { cause: new Error("inner") }) }, "failed");
    expect(lines).toHaveLength(1);
    const line = JSON.parse(lines[0]!);
    expect(line).toMatchObject({ level: "error", name: "api", msg: "failed" });
    expect(new Date(line.time).toISOString()).toBe(line.time);
    expect(line.err.stack).toContain("inner");
  });
});
