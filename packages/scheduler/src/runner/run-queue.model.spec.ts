import fc from "fast-check";
import type { Lane } from "./call-lanes.js";
import type { RunLimits } from "./run-limits.js";
import { DrivenQueue, type DrivenRun } from "./run-queue.fixture.js";

/**
 * Random adds, ends, withdrawals, moments and leases, against the rules put as plainly as can be: everything is looked
 * through for each question.
 */

const hosts = ["a", "b", "c", "d"];

const limitsDrawn = fc.record({
  maxConcurrency: fc.integer({ min: 1, max: 8 }),
  maxConcurrencyPerHost: fc.integer({ min: 1, max: 4 }),
  maxConcurrencyPerTask: fc.integer({ min: 1, max: 3 }),
  maxRatePerHost: fc.constantFrom(0, 0, 1, 10, 100),
});
const laneDrawn = fc.option(fc.record({ host: fc.constantFrom(...hosts), taskId: fc.integer({ min: 1, max: 3 }) }), {
  nil: undefined,
  freq: 6,
});
const stepDrawn = fc.oneof(
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("add"), lanes: fc.array(laneDrawn, { maxLength: 12 }) }) },
  { weight: 5, arbitrary: fc.record({ kind: fc.constant("end"), picks: fc.array(fc.nat(), { maxLength: 4 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("withdraw"), picks: fc.array(fc.nat(), { maxLength: 6 }) }) },
  { weight: 2, arbitrary: fc.record({ kind: fc.constant("pass"), ms: fc.integer({ min: 1, max: 250 }) }) },
  { weight: 1, arbitrary: fc.record({ kind: fc.constant("lease"), isOpen: fc.boolean() }) },
);
type Step = typeof stepDrawn extends fc.Arbitrary<infer S> ? S : never;

class Model {
  readonly driven: DrivenQueue;
  readonly #limits: RunLimits;
  /** Of starts; the queue is not to meet them. */
  readonly #faults: unknown[] = [];
  readonly #added: DrivenRun[] = [];
  readonly #startsMs = new Map<string, number[]>();
  /** How often each other had a turn while this host, or this task of a host, waited for its own. */
  readonly #passed = new Map<string, Map<string, number>>();

  constructor(limits: RunLimits) {
    this.#limits = limits;
    this.driven = new DrivenQueue(limits, (run) => {
      try {
        this.#starts(run);
      } catch (error) {
        this.#faults.push(error);
      }
    });
  }

  async step(step: Step): Promise<void> {
    const { driven } = this;
    switch (step.kind) {
      case "add": {
        const runs = step.lanes.map((lane, index) => ({ name: `${this.#added.length + index}`, lane, isWanted: true }));
        this.#added.push(...runs);
        driven.add(...runs);
        break;
      }
      case "end":
        await driven.end(...new Set(step.picks.flatMap((pick) => this.#pick(driven.inFlight, pick))));
        break;
      case "withdraw":
        this.#withdraw(step.picks);
        break;
      case "pass":
        driven.time.advance(step.ms);
        break;
      case "lease":
        driven.isOpen = step.isOpen;
        driven.queue.resume();
    }
    this.#check();
  }

  /** Lets everything come to its end. */
  async finish(): Promise<void> {
    const { driven } = this;
    await this.step({ kind: "lease", isOpen: true });
    for (let round = 0; driven.queue.waiting > 0 || driven.inFlight.length > 0; round++) {
      if (round > 2 * this.#added.length) throw new Error("it does not come to an end");
      await this.step({ kind: "end", picks: driven.inFlight.map((_, index) => index) });
      await this.step({ kind: "pass", ms: 1_000 });
    }
    await this.step({ kind: "pass", ms: 10_000 });
    const { queue, time } = driven;
    expect([queue.waiting, queue.inFlight, queue.hosts, time.size]).toEqual([0, 0, 0, 0]);
    const { started } = driven;
    expect(new Set(started).size).toBe(started.length);
    expect(this.#waiting().filter(({ isWanted }) => isWanted)).toEqual([]);
  }

  /** Called before the run is among the started: whether it was its turn. */
  #starts(run: DrivenRun): void {
    expect(this.driven.isOpen).toBe(true);
    if (run.lane === undefined) {
      expect(this.#waiting().find(({ lane }) => lane === undefined)).toBe(run);
      return;
    }
    expect(run.isWanted).toBe(true);
    expect(this.#mayStart(run)).toBe(true);
    const { host, taskId } = run.lane;
    const ofTask = this.#waiting().filter(({ lane, isWanted }) => isWanted && isSame(lane, run.lane));
    expect(ofTask[0]).toBe(run);
    const contenders = this.#contenders();
    this.#takesTurn(
      host,
      [...contenders].filter((each) => hosts.includes(each)),
    );
    this.#takesTurn(
      taskKey({ host, taskId }),
      [...contenders].filter((each) => each.startsWith(`${host} `)),
    );
    this.#startsMs.set(host, [...(this.#startsMs.get(host) ?? []), this.driven.time.nowMs()]);
  }

  /** While one waits for its turn, each other has one at most. */
  #takesTurn(mine: string, contenders: readonly string[]): void {
    this.#passed.delete(mine);
    for (const other of contenders) {
      if (other === mine) continue;
      const counts = this.#passed.get(other) ?? new Map<string, number>();
      this.#passed.set(other, counts.set(mine, (counts.get(mine) ?? 0) + 1));
      expect([mine, other, counts.get(mine)]).toEqual([mine, other, 1]);
    }
  }

  /** The hosts, and the tasks of each, that lack nothing but a slot and their turn, and of a task its host's. */
  #contenders(): Set<string> {
    const contenders = new Set<string>();
    for (const { lane, isWanted } of this.#waiting()) {
      if (lane === undefined || !isWanted || !this.#taskAllows(lane)) continue;
      contenders.add(taskKey(lane));
      if (this.#hostAllows(lane)) contenders.add(lane.host);
    }
    return contenders;
  }

  #check(): void {
    if (this.#faults.length > 0) throw this.#faults[0];
    const { driven } = this;
    const { queue } = driven;
    const waiting = this.#waiting();
    expect(queue.inFlight).toBe(driven.inFlight.length);
    expect(queue.waiting).toBeGreaterThanOrEqual(waiting.filter(({ isWanted }) => isWanted).length);
    expect(queue.waiting).toBeLessThanOrEqual(waiting.length);
    expect(driven.time.size).toBeLessThanOrEqual(1);
    expect(driven.inFlight.length).toBeLessThanOrEqual(this.#limits.maxConcurrency);
    // Who waits for a turn no more waits from the start when it does again.
    const contenders = this.#contenders();
    for (const each of this.#passed.keys()) if (!contenders.has(each)) this.#passed.delete(each);
    if (driven.isOpen) expect(waiting.filter((run) => run.isWanted && this.#mayStart(run))).toEqual([]);
  }

  #mayStart({ lane }: DrivenRun): boolean {
    if (lane === undefined) return true;
    const isSlotFree = this.driven.inFlight.length < this.#limits.maxConcurrency;
    return isSlotFree && this.#hostAllows(lane) && this.#taskAllows(lane);
  }

  #hostAllows({ host }: Lane): boolean {
    const { inFlight, time } = this.driven;
    const ofHost = inFlight.filter(({ lane }) => lane?.host === host);
    return ofHost.length < this.#limits.maxConcurrencyPerHost && this.#rateAllowsMs(host) <= time.nowMs();
  }

  #taskAllows(lane: Lane): boolean {
    const ofTask = this.driven.inFlight.filter((each) => isSame(each.lane, lane));
    return ofTask.length < this.#limits.maxConcurrencyPerTask;
  }

  #rateAllowsMs(host: string): number {
    const { maxRatePerHost } = this.#limits;
    if (maxRatePerHost === 0) return 0;
    const intervalMs = 1_000 / maxRatePerHost;
    const usedMs = (this.#startsMs.get(host) ?? []).reduce((used, atMs) => Math.max(used, atMs) + intervalMs, 0);
    return usedMs - Math.max(5, intervalMs);
  }

  #waiting(): DrivenRun[] {
    const started = new Set(this.driven.started);
    return this.#added.filter((run) => !started.has(run));
  }

  #withdraw(picks: readonly number[]): void {
    const waiting = this.#waiting().filter(({ lane }) => lane !== undefined);
    for (const run of picks.flatMap((pick) => this.#pick(waiting, pick))) run.isWanted = false;
  }

  #pick(runs: readonly DrivenRun[], pick: number): DrivenRun[] {
    return runs.length === 0 ? [] : [runs[pick % runs.length]!];
  }
}

function taskKey({ host, taskId }: Lane): string {
  return `${host} ${taskId}`;
}

function isSame(a: Lane | undefined, b: Lane | undefined): boolean {
  return a?.host === b?.host && a?.taskId === b?.taskId;
}

it("keeps every limit, leaves no slot free that somebody could have, goes by turns, and loses nothing", async () => {
  const steps = fc.array(stepDrawn, { maxLength: 40 });
  await fc.assert(
    fc.asyncProperty(limitsDrawn, steps, async (limits, drawn) => {
      const model = new Model(limits);
      for (const step of drawn) await model.step(step);
      await model.finish();
    }),
    { numRuns: 200 },
  );
});
