import { status } from "@grpc/grpc-js";

const PAUSE_MS = 20;
const LIMIT_MS = 30_000;
/** What grpc-js says of a call whose answer may have been lost. */
const UNANSWERED: ReadonlySet<unknown> = new Set([status.UNAVAILABLE, status.CANCELLED, status.DEADLINE_EXCEEDED]);

/** Whether a call may have been done although it failed: it may be sent again under its `request_id`. */
export function isUnanswered(error: unknown): boolean {
  return UNANSWERED.has(Reflect.get(Object(error), "code"));
}

export interface Answered<T> {
  readonly answer: T;
  /** How often it was sent before, and not answered. */
  readonly resent: number;
}

/** Sends a request again until it is answered, as a careful caller does; what refuses it is thrown. */
export async function untilAnswered<T>(send: () => Promise<T>): Promise<Answered<T>> {
  const deadline = performance.now() + LIMIT_MS;
  for (let resent = 0; ; resent += 1) {
    try {
      return { answer: await send(), resent };
    } catch (error) {
      if (!isUnanswered(error) || performance.now() > deadline) throw error;
      await new Promise((resolve) => setTimeout(resolve, PAUSE_MS));
    }
  }
}
