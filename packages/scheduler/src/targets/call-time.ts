import { setMaxListeners } from "node:events";

/** Node warns of more than ten; there are as many as calls that share a signal. */
const noListenerLimit = 0;
/** Node fires a longer timer at once. */
const longestTimerMs = 2 ** 31 - 1;

/** Why a call was ended from this side. */
export class CallEnded extends Error {
  override readonly name = "CallEnded";
  readonly failure: "TIMEOUT" | "ABORTED";

  constructor(failure: "TIMEOUT" | "ABORTED", message: string) {
    super(message);
    this.failure = failure;
  }
}

/** The time that a call has. */
export interface CallTime {
  /** Aborted when the call is to end; its reason is a `CallEnded`. */
  readonly signal: AbortSignal;
  /** Rejects with the reason when the signal is aborted; never resolves. */
  readonly ended: Promise<never>;
  abort(): void;
  /** The call is over. */
  release(): void;
}

export function createCallTime(timeoutMs: number, outer: AbortSignal): CallTime {
  const controller = new AbortController();
  const { signal } = controller;
  const abort = (): void => controller.abort(new CallEnded("ABORTED", "aborted by the scheduler"));
  const expire = (): void => controller.abort(new CallEnded("TIMEOUT", `timed out after ${timeoutMs / 1000} s`));
  const timer = setTimeout(expire, Math.min(timeoutMs, longestTimerMs));
  const ended = new Promise<never>((_, reject) => {
    signal.addEventListener("abort", () => reject(signal.reason), { once: true });
  });
  // Nobody may be waiting yet, or any more.
  ended.catch(() => undefined);
  if (outer.aborted) abort();
  setMaxListeners(noListenerLimit, outer);
  outer.addEventListener("abort", abort, { once: true });
  return {
    signal,
    ended,
    abort,
    release() {
      clearTimeout(timer);
      outer.removeEventListener("abort", abort);
    },
  };
}
