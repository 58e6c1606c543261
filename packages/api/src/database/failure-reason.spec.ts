import { ServiceError } from "@taskscheduler/domain";
import { DatabaseRefusal } from "./database-refusal.js";
import { DATABASE_REASONS, failureReason, isLasting } from "./failure-reason.js";

const SECRET = "hunter2";
const failure = (properties: object) => Object.assign(new Error(`Access denied for '${SECRET}'`), properties);
/** As Sequelize and the pool pass an error on. */
const wrapped = (error: Error) => new ServiceError("DATABASE_UNAVAILABLE", "try again", { cause: { parent: error } });

describe("failureReason", () => {
  it("finds the server's number and the driver's code, however deep, and repeats nothing of the error", () => {
    for (const [errors, reason] of DATABASE_REASONS) {
      for (const error of errors) {
        const key = typeof error === "number" ? "errno" : error === "TimeoutError" ? "name" : "code";
        expect(failureReason(failure({ [key]: error }))).toBe(reason);
        expect(failureReason(wrapped(failure({ [key]: error })))).toBe(reason);
      }
    }
  });

  it("has one reason for each error", () => {
    const errors = DATABASE_REASONS.flatMap(([all]) => all);
    expect(new Set(errors).size).toBe(errors.length);
  });

  it.each([
    ["a refusal of ours", new DatabaseRefusal("the schema is not the newest"), "the schema is not the newest"],
    [
      "a failed handshake",
      failure({ code: "ERR_SSL_WRONG_VERSION_NUMBER" }),
      /^the TLS handshake with the database fails/,
    ],
    [
      "an error that nobody foresaw",
      failure({ errno: 1, code: "ER_NEW" }),
      /^the database cannot be used; the log has/,
    ],
    ["no error at all", undefined, /^the database cannot be used; the log has/],
  ])("says of %s what is known", (_, error, reason) => {
    expect(failureReason(error)).toMatch(reason);
    expect(failureReason(error)).not.toContain(SECRET);
  });

  it("tells what passes from what somebody has to mend", () => {
    expect(isLasting(wrapped(failure({ errno: 1045 })))).toBe(true);
    expect(isLasting(wrapped(failure({ code: "ERR_TLS_CERT_ALTNAME_INVALID" })))).toBe(true);
    expect(isLasting(wrapped(new DatabaseRefusal("too old")))).toBe(true);
    expect(isLasting(wrapped(failure({ code: "ECONNREFUSED" })))).toBe(false);
    expect(isLasting(failure({ errno: 1040 }))).toBe(false);
    expect(isLasting(undefined)).toBe(false);
  });
});
