import { failureOf } from "./call-error.js";
import { CallEnded } from "./call-time.js";
import { UnansweredError } from "./connections/connection.js";
import { blocked } from "./refusal.js";

describe("a call without a whole response", () => {
  it.each<[unknown, number, string, string]>([
    [blocked("why"), 0, "BLOCKED", "blocked: why"],
    [new CallEnded("TIMEOUT", "timed out after 30 s"), 0, "TIMEOUT", "timed out after 30 s"],
    [new CallEnded("ABORTED", "ended"), 200, "ABORTED", "ended, in the response with HTTP 200"],
    [
      new DOMException("The operation was aborted due to timeout", "TimeoutError"),
      0,
      "TIMEOUT",
      "timed out while connecting",
    ],
    [new Error("read\nECONNRESET"), 0, "CONNECTION", "connection failed: read ECONNRESET"],
    [new Error("x".repeat(600)), 0, "CONNECTION", `connection failed: ${"x".repeat(480)}…`],
    [
      new AggregateError([new Error("a"), Object.assign(new Error(""), { code: "ETIMEDOUT" })]),
      0,
      "CONNECTION",
      "connection failed: a; ETIMEDOUT",
    ],
    [new Error("cut"), 200, "CONNECTION", "connection failed, in the response with HTTP 200: cut"],
    [
      Object.assign(new Error("Parse Error: Invalid status code"), { code: "HPE_INVALID_STATUS" }),
      0,
      "CONNECTION",
      "connection failed: the response is not valid HTTP: Invalid status code",
    ],
    [
      new UnansweredError("SILENT", Object.assign(new Error("socket hang up"), { code: "ECONNRESET" })),
      0,
      "CONNECTION",
      "connection failed: the receiver closed the connection",
    ],
    ["text", 0, "CONNECTION", "connection failed: unknown"],
  ])("failed by %s after HTTP %d: %s", (error, httpStatus, failure, message) => {
    const outcome = failureOf(error, httpStatus);
    expect(outcome).toEqual({ succeeded: false, failure, httpStatus, retryAfterMs: undefined, error: message });
    expect(outcome.error.length).toBeLessThanOrEqual(500);
  });
});
