import { startTransports, type TransportFixture } from "./transport-fixture.js";

/** REST's own layer: what it refuses, and how errors look. What tasks do is tested in rest.spec.ts, on a database. */

let fixture: TransportFixture;
beforeAll(async () => {
  fixture = await startTransports();
});
afterAll(() => fixture.stop());

const fetchRest = (path: string, init?: RequestInit): Promise<Response> =>
  fetch(`http://127.0.0.1:${fixture.http.port()}/api/tasks${path}`, init);
async function send(method: string, path: string, body?: unknown, type: string | null = "application/json") {
  const text = typeof body === "string" ? body : JSON.stringify(body);
  // Bytes: fetch would give a text a content type of its own.
  const bytes = text === undefined ? null : new TextEncoder().encode(text);
  const response = await fetchRest(path, {
    method,
    body: bytes,
    headers: type === null ? {} : { "content-type": type },
  });
  return { status: response.status, headers: response.headers, text: await response.text() };
}
const faults = ({ text }: { text: string }): [string, string][] =>
  JSON.parse(text).detail.map(({ loc, type }: { loc: unknown[]; type: string }) => [loc.join("."), type]);

const future = "2999-04-20T10:00:00";

describe("a task", () => {
  it("has its keys in the original's order, its recurrence in lower case or null", async () => {
    const body = { recurrence: "weekly", scheduled_time: future, name: "Übung “1”", extra: 1 };
    const { status, headers, text } = await send("POST", "/", body);
    expect([status, headers.get("content-type")]).toEqual([200, "application/json"]);
    expect(text).toBe(`{"name":"Übung “1”","scheduled_time":"${future}","recurrence":"weekly","id":7}`);
    const once = await send(
      "POST",
      "",
      { ...body, recurrence: null, scheduled_time: "2999-04-20T10:00:00.5+02:00" },
      null,
    );
    expect(JSON.parse(once.text)).toMatchObject({ recurrence: null, scheduled_time: "2999-04-20T08:00:00.500000" });
  });
});

describe("faults", () => {
  it.each([
    [
      {},
      [
        ["body.name", "missing"],
        ["body.scheduled_time", "missing"],
      ],
    ],
    [
      { name: 1, scheduled_time: true, recurrence: "hourly" },
      [
        ["body.name", "string_type"],
        ["body.scheduled_time", "datetime_type"],
        ["body.recurrence", "enum"],
      ],
    ],
    [
      { name: "", scheduled_time: "soon", recurrence: "WEEKLY" },
      [
        ["body.name", "string_too_short"],
        ["body.scheduled_time", "datetime_from_date_parsing"],
        ["body.recurrence", "enum"],
      ],
    ],
    [{ name: "x".repeat(256), scheduled_time: future }, [["body.name", "string_too_long"]]],
    [{ name: "\ud800", scheduled_time: future }, [["body.name", "string_unicode"]]],
    [[], [["body", "model_attributes_type"]]],
    ["null", [["body", "model_attributes_type"]]],
    ['{"name":', [["body.8", "json_invalid"]]],
    ["", [["body", "missing"]]],
  ])("of POST %j are each named", async (body, expected) => {
    const answer = await send("POST", "/", body);
    expect([answer.status, faults(answer)]).toEqual([422, expected]);
  });

  it("of a time that is past are told as the original does", async () => {
    const { status, text } = await send("POST", "/", { name: "a", scheduled_time: "2024-04-20T10:00:00" });
    expect(status).toBe(422);
    expect(text).toBe(
      '{"detail":[{"loc":["body","scheduled_time"],"msg":"scheduled_time must be in the future","type":"value_error"}]}',
    );
  });

  it("include a body that is not called JSON", async () => {
    const answer = await send("POST", "/", { name: "a", scheduled_time: future }, "text/plain");
    expect([answer.status, faults(answer)]).toEqual([422, [["body", "model_attributes_type"]]]);
  });

  it("of a PUT are those of its path and of the fields given", async () => {
    const answer = await send("PUT", "/x", { name: null });
    expect([answer.status, faults(answer)]).toEqual([
      422,
      [
        ["path.task_id", "int_parsing"],
        ["body.name", "string_type"],
      ],
    ]);
  });

  it.each([
    ["?skip=-1", [["query.skip", "greater_than_equal"]]],
    ["?limit=1001", [["query.limit", "less_than_equal"]]],
    [
      "?skip=x&limit=",
      [
        ["query.skip", "int_parsing"],
        ["query.limit", "int_parsing"],
      ],
    ],
    ["?skip=99999999999999999999", [["query.skip", "int_parsing_size"]]],
  ])("of %s are each named", async (query, expected) => {
    const answer = await send("GET", `/${query}`);
    expect([answer.status, faults(answer)]).toEqual([422, expected]);
  });
});

describe("answers", () => {
  it("page by skip and limit", async () => {
    expect((await send("GET", "/?skip=3&limit=2")).text).toBe(
      '[{"name":"2","scheduled_time":null,"recurrence":null,"id":3}]',
    );
    expect(JSON.parse((await send("GET", "")).text)).toMatchObject([{ name: "100", id: 0 }]);
    expect((await send("GET", "/?limit=0")).text).toBe("[]");
  });

  it.each(["/404", "/404/", "/0", "/-1", "/99999999999"])("is 404 for %s", async (path) => {
    const { status, text } = await send("GET", path);
    expect([status, text]).toEqual([404, '{"detail":"Task not found"}']);
  });

  it("is 405 for another method, which says what is allowed", async () => {
    const collection = await send("DELETE", "/");
    expect([collection.status, collection.text]).toEqual([405, '{"detail":"Method Not Allowed"}']);
    expect(collection.headers.get("allow")).toBe("HEAD, GET, POST");
    const task = await send("PATCH", "/1");
    expect([task.status, task.headers.get("allow")]).toEqual([405, "HEAD, GET, PUT, DELETE"]);
  });

  it("is 413 for a body beyond 1 MiB", async () => {
    const { status, text } = await send("POST", "/", { name: "x".repeat(1024 * 1024) });
    expect([status, JSON.parse(text)]).toEqual([413, { detail: "The request body is larger than 1 MiB" }]);
  });

  it("is 503 while the database is away", async () => {
    const { status, headers, text } = await send("GET", "/?skip=503");
    expect([status, headers.get("retry-after"), JSON.parse(text)]).toEqual([
      503,
      "1",
      { detail: "the database cannot be reached" },
    ]);
  });

  it("is 500 without a detail for a defect", async () => {
    const { status, text } = await send("GET", "/500");
    expect([status, JSON.parse(text).detail]).toEqual([500, expect.stringMatching(/^internal error \([\w-]+\)$/)]);
  });

  it("has no body for HEAD", async () => {
    const { status, headers, text } = await send("HEAD", "/5");
    expect([status, text]).toEqual([200, ""]);
    expect(Number(headers.get("content-length"))).toBeGreaterThan(0);
  });
});
