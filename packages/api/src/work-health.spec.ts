import type { HandlerContext } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";
import { WorkHealth, withWorkHealth } from "./work-health.js";

const SQL_ERROR = Object.assign(new Error("a setting"), { errno: 1175 });
const AWAY = new ServiceError("DATABASE_UNAVAILABLE", "the database is not available; try again", {
  cause: Object.assign(new Error(), { errno: 1205 }),
});

let nowMs: number;
let health: WorkHealth;

beforeEach(() => {
  nowMs = 0;
  health = new WorkHealth(() => nowMs);
});

function failEverySecond(kind: string, seconds: number, error: unknown = SQL_ERROR): void {
  for (let n = 0; n <= seconds; n += 1) {
    health.failed(kind, error, nowMs);
    if (n < seconds) nowMs += 1_000;
  }
}

describe("work health", () => {
  it("tells of work that has failed for ten seconds, with the reason", () => {
    failEverySecond("claims", 9);
    expect(health.reasons()).toEqual([]);
    failEverySecond("claims", 1, AWAY);
    expect(health.reasons()).toEqual([
      "claims have failed for more than 10 s: statements of ours wait too long in the database: look for a lock, a backup or a long transaction there",
    ]);
  });

  it("forgives at the first success, of the same kind alone", () => {
    failEverySecond("claims", 20);
    health.succeeded("reports");
    expect(health.reasons()).toHaveLength(1);
    health.succeeded("claims");
    expect(health.reasons()).toEqual([]);
    failEverySecond("claims", 9);
    expect(health.reasons()).toEqual([]);
  });

  it("knows nothing of work that nobody asks for any more", () => {
    failEverySecond("claims", 20);
    nowMs += 20_001;
    expect(health.reasons()).toEqual([]);
    failEverySecond("claims", 1);
    expect(health.reasons()).toEqual([]);
  });

  it("needs more than one failure, and counts from when the first was asked for", () => {
    nowMs = 6_000;
    health.failed("claims", SQL_ERROR, 0);
    nowMs = 12_000;
    expect(health.reasons()).toEqual([]);
    health.failed("claims", SQL_ERROR, 6_000);
    expect(health.reasons()).toHaveLength(1);
    health.clear();
    expect(health.reasons()).toEqual([]);
  });
});

describe("calls", () => {
  const context = { signal: new AbortController().signal } as HandlerContext;

  async function reasonsAfter(error: unknown, countsDefects: boolean, aborted = false): Promise<readonly string[]> {
    const impl = {
      claim: async () => {
        throw error;
      },
    };
    const watched = withWorkHealth(impl, health, { kinds: { claim: "claims" }, countsDefects });
    const call = watched.claim as (request: object, context: HandlerContext) => Promise<never>;
    for (let n = 0; n < 12; n += 1) {
      const own = aborted ? ({ signal: AbortSignal.abort() } as HandlerContext) : context;
      await expect(call({}, own)).rejects.toBe(error);
      nowMs += 1_000;
    }
    return health.reasons();
  }

  it.each<[string, unknown, boolean, number]>([
    ["an error of the database", SQL_ERROR, false, 1],
    ["a database that is away", AWAY, false, 1],
    ["a refusal of what the caller asked for", new ServiceError("TASK_NOT_FOUND", "no"), true, 0],
    ["too much at once", new ServiceError("TOO_MANY_REQUESTS", "no"), true, 0],
    ["a defect, where we choose the input", new TypeError("x"), true, 1],
    ["a defect, where users choose the input", new TypeError("x"), false, 0],
  ])("%s counts as it should", async (_, error, countsDefects, reasons) => {
    expect(await reasonsAfter(error, countsDefects)).toHaveLength(reasons);
  });

  it("whose callers have left count where the database failed, and not for how they were cut", async () => {
    expect(await reasonsAfter(new DOMException("", "AbortError"), true, true)).toEqual([]);
    expect(await reasonsAfter(SQL_ERROR, true, true)).toHaveLength(1);
  });

  it("answer as before, and a success counts", async () => {
    failEverySecond("claims", 20);
    const impl = { claim: (request: { n: number }) => request.n + 1, other: () => 1 };
    const watched = withWorkHealth(impl, health, { kinds: { claim: "claims" }, countsDefects: true });
    expect(await (watched.claim as (request: object, context: HandlerContext) => unknown)({ n: 1 }, context)).toBe(2);
    expect(health.reasons()).toEqual([]);
    expect(watched.other).toBe(impl.other);
  });
});
