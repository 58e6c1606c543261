import { outcomeOf } from "./response-outcome.js";

const response = { httpStatus: 500, retryAfter: "", location: "", text: "" };

describe("a response", () => {
  it.each([200, 201, 204, 299])("with %d is a success", (httpStatus) => {
    expect(outcomeOf({ ...response, httpStatus, retryAfter: "7", text: "fine" }, 0)).toEqual({
      succeeded: true,
      failure: "NONE",
      httpStatus,
      retryAfterMs: undefined,
      error: "",
    });
  });

  it.each([
    [{ httpStatus: 500 }, "HTTP 500"],
    [{ httpStatus: 410, text: "gone\n\u0000now" }, "HTTP 410: gone now"],
    [{ httpStatus: 500, text: "x".repeat(300) }, `HTTP 500: ${"x".repeat(199)}…`],
    [{ httpStatus: 302, location: "http://127.0.0.1/" }, "HTTP 302: redirects are not followed (to http://127.0.0.1/)"],
    [
      { httpStatus: 308, location: "y".repeat(300), text: "z" },
      `HTTP 308: redirects are not followed (to ${"y".repeat(99)}…)`,
    ],
    [{ httpStatus: 304, text: "same" }, "HTTP 304: same"],
  ])("as %j is the failure %s", (changes, error) => {
    const outcome = outcomeOf({ ...response, ...changes }, 0);
    expect(outcome).toMatchObject({ succeeded: false, failure: "RESPONSE", httpStatus: changes.httpStatus, error });
  });

  it("says when to try again", () => {
    expect(outcomeOf({ ...response, httpStatus: 429, retryAfter: "7" }, 0).retryAfterMs).toBe(7_000);
    expect(outcomeOf({ ...response, httpStatus: 503, retryAfter: "soon" }, 0).retryAfterMs).toBeUndefined();
  });
});
