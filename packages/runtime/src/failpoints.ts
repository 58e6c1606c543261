import { z } from "zod";

/** A moment of a call at which the process is to be killed, as if its machine had gone. */
export interface Failpoint {
  /** `before`: nothing of the call was done or sent; `after`: it was done, and whoever waits for its answer never gets it. */
  readonly moment: "before" | "after";
  /** The method, as `createTask`. */
  readonly call: string;
  /** Which passing of the moment it is, from 1. A call that fails does not pass `after`. */
  readonly passing: number;
}

const form = /^(before|after)-([A-Za-z]+)(?:@([1-9]\d{0,5}))?$/;
const message = "must be moments of calls such as after-createTask or after-createTask@3, separated by commas";

/**
 * `FAILPOINTS`, for tests of answers that get lost: the processes that are shipped are those that are tested, and the
 * moment between a commit and its answer is too short to be met from outside. Refused in production.
 *
 * @param calls the methods that can be interrupted
 */
export function failpointsVariable(calls: readonly string[]) {
  return z
    .string()
    .transform((text, context) => {
      const failpoints = text.split(",").map((item) => failpointOf(item.trim()));
      if (failpoints.every((point) => point !== undefined && calls.includes(point.call)))
        return failpoints as Failpoint[];
      context.addIssue({ code: "custom", message });
      return z.NEVER;
    })
    .default([]);
}

/** The fault that both processes find in failpoints where `NODE_ENV` is `production`, as in the images. */
export const failpointsInProduction = {
  path: ["FAILPOINTS"],
  error: "is for tests, and refused where NODE_ENV is production",
};

function failpointOf(text: string): Failpoint | undefined {
  const [, moment, call, passing = "1"] = form.exec(text) ?? [];
  if ((moment !== "before" && moment !== "after") || call === undefined) return undefined;
  return { moment, call, passing: Number(passing) };
}

/**
 * The same calls, of which those that a failpoint names kill the process at its moment. Without failpoints nothing is
 * wrapped.
 *
 * @param kill default: SIGKILL, so that nothing is flushed, said or put right
 */
export function withFailpoints<T extends object>(calls: T, failpoints: readonly Failpoint[], kill = killProcess): T {
  const wrapped = { ...calls };
  for (const failpoint of failpoints) {
    const call: unknown = Reflect.get(wrapped, failpoint.call);
    if (typeof call === "function") Reflect.set(wrapped, failpoint.call, interrupted(call as Call, failpoint, kill));
  }
  return wrapped;
}

type Call = (...args: readonly unknown[]) => unknown;

function interrupted(call: Call, { moment, passing }: Failpoint, kill: () => void): Call {
  let passed = 0;
  const pass = (here: Failpoint["moment"]): void => {
    if (here !== moment) return;
    passed += 1;
    if (passed === passing) kill();
  };
  return async (...args) => {
    pass("before");
    const answer = await call(...args);
    pass("after");
    return answer;
  };
}

function killProcess(): void {
  process.kill(process.pid, "SIGKILL");
}
