import type { HandlerContext } from "@connectrpc/connect";
import { ServiceError } from "@taskscheduler/domain";
import { failureReason } from "./database/failure-reason.js";

/** Work that fails for so long, and more than once, is told. */
const FAILING_MS = 10_000;
const FAILURES = 2;
/** Nothing is known of work that nobody asks for any more. A write takes up to 16 s to fail. */
const FORGOTTEN_MS = 20_000;

/** Failures of one kind of work since it last succeeded. */
interface Streak {
  /** When the first of them began. */
  readonly firstMs: number;
  readonly lastMs: number;
  readonly count: number;
  readonly error: unknown;
}

/**
 * Whether what the API does in the database gets done. Connections that work say little: a setting, a lock or a full disk
 * may stop every claim while reads succeed, and tasks would be acknowledged and never run.
 */
export class WorkHealth {
  readonly #streaks = new Map<string, Streak>();
  readonly #nowMs: () => number;

  constructor(nowMs: () => number = () => performance.now()) {
    this.#nowMs = nowMs;
  }

  /** @param kind in the plural, as operators call it: `claims` */
  succeeded(kind: string): void {
    this.#streaks.delete(kind);
  }

  /** @param beganMs when the work was asked for */
  failed(kind: string, error: unknown, beganMs: number): void {
    const lastMs = this.#nowMs();
    const known = this.#streaks.get(kind);
    const isOld = known === undefined || lastMs - known.lastMs > FORGOTTEN_MS;
    this.#streaks.set(kind, {
      firstMs: isOld ? beganMs : known.firstMs,
      count: isOld ? 1 : known.count + 1,
      lastMs,
      error,
    });
  }

  /** The database was away. What failed by then says nothing of what comes after. */
  clear(): void {
    this.#streaks.clear();
  }

  now(): number {
    return this.#nowMs();
  }

  /** A sentence for each kind of work that has only failed of late. */
  reasons(): readonly string[] {
    const nowMs = this.#nowMs();
    return [...this.#streaks]
      .filter(([, { firstMs, lastMs, count }]) => {
        return count >= FAILURES && nowMs - firstMs >= FAILING_MS && nowMs - lastMs <= FORGOTTEN_MS;
      })
      .map(([kind, { error }]) => `${kind} have failed for more than ${FAILING_MS / 1_000} s: ${failureReason(error)}`);
  }
}

export interface WatchedWork<I> {
  /** The kind of work of each method that counts, as `WorkHealth` names kinds. */
  readonly kinds: { readonly [M in keyof I]?: string };
  /** Whether a defect of ours counts too. Not where users choose the input: one bad request, sent again, stops nobody else. */
  readonly countsDefects: boolean;
}

/** Tells the health how calls of a service end. */
export function withWorkHealth<I extends object>(impl: I, health: WorkHealth, work: WatchedWork<I>): I {
  const watched = Object.entries(work.kinds).map(([method, kind]) => {
    const call = Reflect.get(impl, method) as Call;
    return [method, watch(call, String(kind), health, work.countsDefects)] as const;
  });
  return { ...impl, ...Object.fromEntries(watched) };
}

type Call = (request: never, context: HandlerContext) => unknown;

function watch(call: Call, kind: string, health: WorkHealth, countsDefects: boolean): Call {
  return async (request, context) => {
    const beganMs = health.now();
    try {
      const answer = await call(request, context);
      health.succeeded(kind);
      return answer;
    } catch (error) {
      if (isOfDatabase(error) || (countsDefects && isDefect(error, context))) health.failed(kind, error, beganMs);
      throw error;
    }
  };
}

/** The database or its driver failed, whether or not the caller still waits: schedulers give up before the database does. */
function isOfDatabase(error: unknown): boolean {
  if (error instanceof ServiceError) return error.reason.startsWith("DATABASE_");
  return error instanceof Error && typeof Reflect.get(error, "errno") === "number";
}

/** A call whose caller has left ends with whatever its end is. */
function isDefect(error: unknown, { signal }: HandlerContext): boolean {
  return !(error instanceof ServiceError) && !signal.aborted;
}
