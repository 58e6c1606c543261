import type { ClaimGrant } from "./claim-grant.js";
import type { ClaimState, HeldClaim, Outcome } from "./held-claim.js";
import { occurrenceKey } from "./occurrence-key.js";
import type { SettledFences } from "./settled-fences.js";
import { TargetLoad, targetHost } from "./target-load.js";

/** What a heartbeat says is held. */
export interface HeldSnapshot {
  readonly claims: readonly HeldClaim[];
  /** The last grant in it. */
  readonly grantNumber: number;
}

export interface HeldClaimsOptions {
  readonly settled: SettledFences;
  /** The claim is to run when its time comes. */
  readonly onArmed: (claim: HeldClaim) => void;
  /** It is not to run any more. */
  readonly onGone: (claim: HeldClaim) => void;
  /** It ended already, and its outcome is to be reported under the new fence; or it is handed back. */
  readonly onReport: (claim: HeldClaim) => void;
}

/** What is handed back as too much waits for its host comes again after this, and up to as long again. */
const handedBackForMs = 30_000;
const unstarted: ReadonlySet<ClaimState> = new Set(["armed", "due"]);

/**
 * The claims that this scheduler holds, from the grant until the report is acknowledged. The one place that changes a
 * claim's state.
 *
 * News of a claim comes by four ways that overtake each other: answers to claims, heartbeats, the feed, and reports. The
 * fence orders them, and `SettledFences` remembers it for claims that are gone.
 */
export class HeldClaims {
  readonly #options: HeldClaimsOptions;
  readonly #claims = new Map<string, HeldClaim>();
  #grantNumber = 0;
  readonly #load = new TargetLoad();
  #isClosed = false;

  constructor(options: HeldClaimsOptions) {
    this.#options = options;
  }

  get size(): number {
    return this.#claims.size;
  }

  /** What the targets of all take, about. */
  get targetBytes(): number {
    return this.#load.bytes;
  }

  /** How many have an outcome that is not acknowledged. */
  get endedSize(): number {
    let count = 0;
    for (const { state } of this.#claims.values()) if (state === "ended") count++;
    return count;
  }

  /** Whether a claim of the occurrence is held that has not ended. */
  isUnderWay(key: string): boolean {
    const held = this.#claims.get(key);
    return held !== undefined && held.state !== "ended";
  }

  /** @returns whether the claim is news */
  grant(grant: ClaimGrant, incarnation: number): boolean {
    const key = occurrenceKey(grant.taskId, grant.scheduledTimeMs);
    if (!this.#options.settled.isNews(key, grant.fence)) return false;
    const held = this.#claims.get(key);
    if (held === undefined) {
      if (this.#isClosed) return false;
      this.#hold(key, grant, incarnation);
      return true;
    }
    if (held.fence >= grant.fence) return false;
    if (held.state === "ended" && held.outcome?.state !== "SUCCEEDED") {
      // Another attempt.
      this.#remove(held);
      if (this.#isClosed) return false;
      this.#hold(key, grant, incarnation);
      return true;
    }
    held.fence = grant.fence;
    held.incarnation = incarnation;
    held.grantNumber = ++this.#grantNumber;
    if (held.state === "ended") this.#options.onReport(held);
    return true;
  }

  /** The feed: the claim was withdrawn under this fence. What has started goes on. */
  withdraw(key: string, fence: number): void {
    const held = this.#claims.get(key);
    if (held !== undefined && held.fence < fence && unstarted.has(held.state)) this.#remove(held);
    if (this.#claims.get(key) === undefined) this.#options.settled.settle(key, fence);
  }

  /** A user cancelled the run: it is aborted, and reported as that. */
  cancel(key: string, fence: number): void {
    const held = this.#claims.get(key);
    if (held?.state === "running" && held.fence < fence) held.running?.abort();
  }

  /** A heartbeat's answer: the claim is not held. What was granted after the heartbeat stays, and what has started. */
  drop(key: string, grantNumber: number): void {
    const held = this.#claims.get(key);
    if (held !== undefined && held.grantNumber <= grantNumber && unstarted.has(held.state)) this.#remove(held);
  }

  /** What has not started is another's to run. */
  incarnationEnded(incarnation: number): void {
    for (const claim of this.#claims.values()) {
      if (claim.incarnation === incarnation && unstarted.has(claim.state)) this.#remove(claim);
    }
  }

  /**
   * Leaves everything that has not started to others, and takes nothing more. What is due is handed back: else nobody could
   * tell that it was not made. Returns how many were left.
   */
  close(): number {
    this.#isClosed = true;
    let left = 0;
    for (const claim of this.#claims.values()) {
      if (!unstarted.has(claim.state)) continue;
      left++;
      if (claim.state === "due") this.#handBack(claim, 0, "its scheduler was stopped");
      else this.#remove(claim);
    }
    return left;
  }

  /** What is held under an incarnation. */
  snapshot(incarnation: number): HeldSnapshot {
    const claims: HeldClaim[] = [];
    for (const claim of this.#claims.values()) if (claim.incarnation === incarnation) claims.push(claim);
    return { claims, grantNumber: this.#grantNumber };
  }

  /** Its time has come: it waits for its turn, or is handed back where too much waits for its host. */
  due(claim: HeldClaim): void {
    if (claim.state !== "armed") return;
    claim.state = "due";
    if (!this.#load.isTooMuch(claim.host)) return;
    this.#handBack(claim, handedBackForMs * (1 + Math.random()), `too much waits for ${claim.host}`);
  }

  /** It came too early: its time is waited for once more. */
  postpone(claim: HeldClaim): void {
    if (claim.state !== "due") return;
    claim.state = "armed";
    this.#options.onArmed(claim);
  }

  /** @returns false when the claim is not to run */
  start(claim: HeldClaim, startTimeMs: number): boolean {
    if (claim.state !== "due") return false;
    claim.state = "running";
    claim.startTimeMs = startTimeMs;
    if (claim.target !== undefined) claim.running = new AbortController();
    return true;
  }

  end(claim: HeldClaim, outcome: Outcome): void {
    claim.state = "ended";
    claim.running = undefined;
    claim.outcome = outcome;
  }

  /** The API judged a report under this fence. A claim that was granted anew meanwhile is reported again. */
  reported(claim: HeldClaim, fence: number): void {
    if (claim.state !== "ended") return;
    this.#options.settled.settle(claim.key, fence);
    if (claim.fence === fence) this.#remove(claim);
    else this.#options.onReport(claim);
  }

  #hold(key: string, grant: ClaimGrant, incarnation: number): void {
    const { taskId, scheduledTimeMs, fence, attempt, runTimeMs, target } = grant;
    const grantNumber = ++this.#grantNumber;
    const claim: HeldClaim = {
      key,
      taskId,
      scheduledTimeMs,
      attempt,
      runTimeMs,
      target,
      host: targetHost(target),
      fence,
      incarnation,
      grantNumber,
      state: "armed",
      isAhead: false,
      startTimeMs: 0,
      running: undefined,
      outcome: undefined,
      alarm: undefined,
    };
    this.#claims.set(key, claim);
    this.#load.add(claim.host, target);
    this.#options.onArmed(claim);
  }

  /** It has not begun: another scheduler may claim it, or this one later. */
  #handBack(claim: HeldClaim, afterMs: number, error: string): void {
    const { runTimeMs } = claim;
    this.end(claim, {
      ...{ state: "RETRYING", startTimeMs: runTimeMs, endTimeMs: runTimeMs, error },
      ...{ failure: "NONE", httpStatus: 0, retryAfterMs: Math.round(afterMs) },
    });
    this.#options.onReport(claim);
  }

  #remove(claim: HeldClaim): void {
    claim.state = "gone";
    this.#claims.delete(claim.key);
    this.#load.delete(claim.host, claim.target);
    this.#options.onGone(claim);
  }
}
