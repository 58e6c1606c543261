import { HTTP } from "cloudevents";
import { Webhook } from "standardwebhooks";
import { someCall } from "./webhook-call.fixture.js";
import type { WebhookCall } from "./webhook-call.js";
import { createWebhookRequest, type WebhookRequest } from "./webhook-request.js";
import { noWebhookSecrets, parseWebhookSecrets } from "./webhook-secrets.js";

const secret = `whsec_${Buffer.alloc(24, "k").toString("base64")}`;
const { secrets } = parseWebhookSecrets(`default ${secret}\nbilling ${secret}`);
const nowMs = 1_790_000_001_999;

function requestOf(changes: Partial<WebhookCall>, known = noWebhookSecrets): WebhookRequest {
  return createWebhookRequest({ ...someCall, ...changes }, known, nowMs);
}

function eventOf({ headers, body }: WebhookRequest) {
  const event = HTTP.toEvent({ headers, body: body.toString() });
  if (Array.isArray(event)) throw new Error("a batch");
  return event;
}

const attributes = {
  specversion: "1.0",
  id: "7.1790000000000",
  source: "/tasks/7",
  type: "taskscheduler.execution.due",
  time: "2026-09-21T14:13:20.000Z",
  trigger: "SCHEDULE",
};
const ofExecution = {
  "taskscheduler-task-id": "7",
  "taskscheduler-execution-id": "7.1790000000000",
  "taskscheduler-scheduled-time": "2026-09-21T14:13:20.000Z",
  "taskscheduler-attempt": "2",
  "taskscheduler-trigger": "SCHEDULE",
};
const defaultData = {
  task_id: 7,
  task_name: "nightly report",
  execution_id: "7.1790000000000",
  scheduled_time: "2026-09-21T14:13:20.000Z",
  attempt: 2,
  trigger: "SCHEDULE",
};

describe("a request in binary mode", () => {
  it("is an event whose attributes are headers", () => {
    const request = requestOf({ url: "https://a.example:8443/hook?x=1#y" });
    expect(request).toMatchObject({ origin: "https://a.example:8443", path: "/hook?x=1", method: "POST" });
    expect(request.headers).toEqual({
      "user-agent": "TaskScheduler",
      "content-type": "application/json",
      "ce-specversion": "1.0",
      "ce-id": "7.1790000000000",
      "ce-source": "/tasks/7",
      "ce-type": "taskscheduler.execution.due",
      "ce-subject": "nightly%20report",
      "ce-time": "2026-09-21T14:13:20.000Z",
      "ce-attempt": "2",
      "ce-trigger": "SCHEDULE",
      ...ofExecution,
      "webhook-id": "7_1790000000000",
      "webhook-timestamp": "1790000001",
    });
    expect(eventOf(request)).toMatchObject({ ...attributes, data: defaultData });
  });

  it.each([
    ['{"a":1}', undefined, "application/json"],
    ["hello", undefined, "text/plain; charset=utf-8"],
    ["<a/>", "application/xml", "application/xml"],
    ["{", "application/json", "application/json"],
  ])("sends the body %s, whose type is said to be %s, as it is, as %s", (body, userType, type) => {
    const headers = userType === undefined ? {} : { "Content-Type": userType };
    const request = requestOf({ body, headers });
    expect(request.body.toString()).toBe(body);
    expect(request.headers["content-type"]).toBe(type);
  });

  it.each([
    ["Übung 😀", "%C3%9Cbung%20%F0%9F%98%80"],
    ['50 % "off"', "50%20%25%20%22off%22"],
    ["a\r\nx-evil: 1", "a%0D%0Ax-evil:%201"],
  ])("encodes the name %j", (taskName, subject) => {
    expect(requestOf({ taskName }).headers["ce-subject"]).toBe(subject);
  });

  it("has no subject for a task without a name", () => {
    expect(requestOf({ taskName: "" }).headers).not.toHaveProperty("ce-subject");
  });
});

describe("a request in structured mode", () => {
  const contentMode = "STRUCTURED";

  it("is an event as a JSON object", () => {
    const request = requestOf({ contentMode });
    expect(request.headers).toEqual({
      "user-agent": "TaskScheduler",
      "content-type": "application/cloudevents+json; charset=utf-8",
      ...ofExecution,
      "webhook-id": "7_1790000000000",
      "webhook-timestamp": "1790000001",
    });
    expect(eventOf(request)).toMatchObject({
      ...attributes,
      subject: "nightly report",
      attempt: 2,
      datacontenttype: "application/json",
      data: defaultData,
    });
  });

  it.each([
    ['{"a":[1]}', {}, "application/json", { a: [1] }],
    ["hello", {}, "text/plain; charset=utf-8", "hello"],
    ["12", { "content-type": "text/csv" }, "text/csv", "12"],
    ["null", { "content-type": "application/vnd.x+json" }, "application/vnd.x+json", null],
  ])("holds the body %s with %j as %s", (body, headers, datacontenttype, data) => {
    const envelope: unknown = JSON.parse(requestOf({ contentMode, body, headers }).body.toString());
    expect(envelope).toMatchObject({ datacontenttype, data });
  });

  it("leaves numbers as they were written", () => {
    const { body } = requestOf({ contentMode, body: '{"n":12345678901234567890.10}' });
    expect(body.toString()).toContain('"data":{"n":12345678901234567890.10}}');
  });

  it("has its event in the headers where there is no body", () => {
    const request = requestOf({ contentMode, method: "GET", body: "x" });
    expect(request.body).toHaveLength(0);
    expect(request.headers).toMatchObject({ "ce-id": "7.1790000000000" });
    expect(request.headers).not.toHaveProperty("content-type");
  });
});

describe("a signed request", () => {
  it.each([
    { secretName: "", contentMode: "BINARY" },
    { secretName: "default", contentMode: "STRUCTURED" },
    { secretName: "billing", contentMode: "BINARY", body: "grüße" },
    { secretName: "billing", contentMode: "BINARY", method: "GET" },
  ] as const)("is taken by the library: %j", (changes) => {
    const seconds = Math.floor(Date.now() / 1000);
    const { headers, body } = createWebhookRequest({ ...someCall, ...changes }, secrets, seconds * 1000);
    expect(() => new Webhook(secret).verify(body, headers, { jsonParse: false })).not.toThrow();
  });

  it.each([
    ["missing", secrets],
    ["missing", noWebhookSecrets],
    ["", parseWebhookSecrets(`billing ${secret}`).secrets],
  ])("is not sent where there is no secret %j", (secretName, known) => {
    expect(() => requestOf({ secretName }, known)).toThrow(
      expect.objectContaining({
        failure: "SECRET_UNKNOWN",
        message: `not sent: WEBHOOK_SECRETS_FILE has no secret named "${secretName || "default"}"`,
      }),
    );
  });
});

describe("a user's headers", () => {
  it("are sent in lower case, but for those of the connection, the event and the signature", () => {
    const { headers } = requestOf({
      headers: {
        Authorization: " Bearer x ",
        "X-A": "1",
        "x-a": "2",
        "User-Agent": "mine",
        Host: "other.example",
        Connection: "close",
        "Transfer-Encoding": "chunked",
        "Content-Length": "1",
        TE: "gzip",
        "Ce-Id": "forged",
        "Webhook-Signature": "v1,forged",
        "TaskScheduler-Attempt": "9",
      },
    });
    expect(headers).toMatchObject({
      authorization: "Bearer x",
      "x-a": "2",
      "user-agent": "mine",
      "ce-id": "7.1790000000000",
      "taskscheduler-attempt": "2",
    });
    const left = ["host", "connection", "transfer-encoding", "content-length", "te", "webhook-signature"];
    expect(Object.keys(headers).filter((name) => left.includes(name))).toEqual([]);
  });
});

it.each(["__proto__", "constructor", "toString", "hasOwnProperty"])("a user's header may be named %s", (name) => {
  const { headers } = requestOf({ headers: Object.fromEntries([[name, "mine"]]) });
  expect(Object.entries(headers)).toContainEqual([name.toLowerCase(), "mine"]);
});

describe("a request that is not made", () => {
  it.each<[string, Partial<WebhookCall>]>([
    ["the URL is none", { url: "nowhere" }],
    ["the URL is none", { url: "http://[fe80::1%25eth0]/" }],
    ["the URL is neither http nor https", { url: "file:///etc/passwd" }],
    ["the URL is neither http nor https", { url: "gopher://a.example/" }],
    ["the URL holds a user name or a password", { url: "http://user@a.example/" }],
    ["the URL holds a user name or a password", { url: "http://:word@a.example/" }],
    ["the method is none of POST, PUT, PATCH, DELETE, GET", { method: "CONNECT" }],
    ["a header's name has a character that HTTP does not allow", { headers: { "a b": "c" } }],
    ["the header x-a has a character that HTTP does not allow", { headers: { "X-A": "hunter2\r\nb: c" } }],
    ["the header x-a has a character that HTTP does not allow", { headers: { "X-A": "😀" } }],
  ])("since %s", (why, changes) => {
    expect(() => requestOf(changes)).toThrow(
      expect.objectContaining({ failure: "BLOCKED", message: `blocked: ${why}` }),
    );
  });
});
