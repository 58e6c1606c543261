import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { durationFromMs } from "@bufbuild/protobuf/wkt";
import type { FieldViolation } from "@taskscheduler/domain";
import { RetryPolicySchema, WebhookContentMode, WebhookSchema } from "@taskscheduler/proto";
import { readRetryPolicy, readTimeout } from "./retry-policy-input.js";
import { DAMAGED_WEBHOOK, formatTarget, parseRetryPolicy, parseWebhook } from "./stored-target.js";
import { readWebhook } from "./webhook-input.js";

const url = "https://example.com/hook";

function violationsOf(webhook: MessageInitShape<typeof WebhookSchema>): FieldViolation[] {
  const violations: FieldViolation[] = [];
  readWebhook(create(WebhookSchema, webhook), "task.webhook", violations);
  return violations;
}

describe("a webhook", () => {
  it("is read with its defaults, and comes back from the table as it was", () => {
    const violations: FieldViolation[] = [];
    const webhook = readWebhook(
      create(WebhookSchema, { url, headers: { "X-Team": "ops é".slice(0, 3) } }),
      "w",
      violations,
    );
    expect(violations).toEqual([]);
    expect(webhook).toEqual({
      ...{ url, method: "POST", headers: { "X-Team": "ops" }, body: "", secretName: "", contentMode: "BINARY" },
    });
    expect(parseWebhook(formatTarget({ webhook, retryPolicy: null }).webhook)).toEqual(webhook);
    expect(parseWebhook("")).toBeNull();
  });

  it.each([
    "",
    "example.com",
    "ftp://example.com/",
    "file:///etc/passwd",
    "javascript:alert(1)",
    "http://",
    "https://[::1",
    "https:example.com",
    " https://example.com/",
    "https://exa\nmple.com/",
    "https://a:0/",
    "https://a/{{task.id}}",
  ])("has an http or https URL, which %j is not", (wrong) => {
    expect(violationsOf({ url: wrong })).toMatchObject([{ field: "task.webhook.url" }]);
  });

  it.each(["https://user@example.com/", "https://:secret@example.com/", "http://a:b@127.0.0.1/"])(
    "has no user information: %s",
    (wrong) => {
      const [violation] = violationsOf({ url: wrong });
      expect(violation?.description).toMatch("user information");
      expect(violation?.description).not.toMatch("secret");
    },
  );

  it.each([
    [{ Host: "a" }, "is set by the scheduler"],
    [{ "content-LENGTH": "1" }, "is set by the scheduler"],
    [{ "Webhook-Signature": "v1,x" }, "is set by the scheduler"],
    [{ "ce-id": "1" }, "is set by the scheduler"],
    [{ "Taskscheduler-Attempt": "1" }, "is set by the scheduler"],
    [{ "a b": "1" }, "names are of"],
    [{ "a\r\nb": "1" }, "names are of"],
    [{ "": "1" }, "names are of"],
    [{ a: "1\r\nX-Admin: yes" }, "values are of"],
    [{ a: "é" }, "values are of"],
    [{ a: " b" }, "values are of"],
    [{ "X-A": "1", "x-a": "2" }, "is there twice"],
    [{ a: "x".repeat(9_000) }, "in all"],
    [{ "X-Id": "{{task.id}}" }, "in the body alone"],
  ])("has no header that would be another's: %j", (headers, why) => {
    const found = violationsOf({ url, headers: headers as Record<string, string> });
    expect(found).toContainEqual({ field: "task.webhook.headers", description: expect.stringContaining(why) });
  });

  it.each([
    [{ method: "TRACE" }, "task.webhook.method"],
    [{ method: "post" }, "task.webhook.method"],
    [{ secretName: "a b" }, "task.webhook.secret_name"],
    [{ body: "{{task.nmae}}" }, "task.webhook.body"],
    [{ body: "{{task.id}}".repeat(65) }, "task.webhook.body"],
    [{ body: "{{raw}}{{task.id}}" }, "task.webhook.body"],
    [{ body: "{{/raw}}" }, "task.webhook.body"],
    [{ body: "{{raw}}{{raw}}{{/raw}}{{/raw}}" }, "task.webhook.body"],
    [{ body: "{{raw}}{{/raw}}{{ raw }}{{ /raw }}" }, "task.webhook.body"],
    [{ method: "GET", body: "{}" }, "task.webhook.body"],
    [{ method: "GET", contentMode: WebhookContentMode.STRUCTURED }, "task.webhook.content_mode"],
  ])("is refused with %j", (more, field) => {
    expect(violationsOf({ url, ...more })).toMatchObject([{ field }]);
  });

  it.each([
    "{{raw}}{{x}}{{/raw}}",
    "{{raw}}{{raw}}{{/raw}}",
    "{{ raw }}{{x}} {{task.id}}{{ /raw }}{{task.id}}",
    `{{raw}}${"{{task.id}}".repeat(65)}{{/raw}}`,
    '{"template": "{{raw}}Hello {{name}}{{/raw}}", "task": {{task.id}}}',
  ])("has a body with text that stands for itself: %s", (body) => {
    expect(violationsOf({ url, body })).toEqual([]);
  });

  it("is told what is wrong with its body, and how to write it", () => {
    expect(violationsOf({ url, body: "{{x}} {{y}} {{x}}" })).toEqual([
      {
        field: "task.webhook.body",
        description:
          "{{x}}, {{y}}: must be one of {{task.id}}, {{task.name}}, {{execution.id}}, {{execution.scheduled_time}}, " +
          "{{execution.attempt}}, {{execution.trigger}}; text that stands for itself goes between {{raw}} and {{/raw}}",
      },
    ]);
    expect(violationsOf({ url, body: "{{raw}}{{x}}" })).toEqual([
      {
        field: "task.webhook.body",
        description: "{{raw}} has no end; write {{/raw}} behind the text that stands for itself",
      },
    ]);
  });

  it.each([
    ...["{", "[]", "null", "7", "{}", '{"url":7}', '{"url":""}', '{"url":"https://a","method":"TRACE"}'],
    ...[
      '{"url":"https://a","headers":7}',
      '{"url":"https://a","headers":["a"]}',
      '{"url":"https://a","headers":{"a":1}}',
    ],
    ...[
      '{"url":"https://a","body":null}',
      '{"url":"https://a","secretName":[]}',
      '{"url":"https://a","contentMode":"X"}',
    ],
  ])("is damaged in the table as %s", (text) => {
    expect(parseWebhook(text)).toBeUndefined();
  });

  it("is read from the table without the parts that a later release adds", () => {
    expect(parseWebhook('{"url":"https://a"}')).toEqual({ ...DAMAGED_WEBHOOK, url: "https://a" });
    expect(parseWebhook("")).toBeNull();
  });
});

describe("a retry policy", () => {
  const whole = { maxAttempts: 3, initialBackoffMs: 250, maxBackoffMs: null, multiplier: 1.5, retryStatuses: [503] };

  it.each<[string, object | string]>([
    ["no object", "7"],
    ["no JSON", "{"],
    ["no statuses", { ...whole, retryStatuses: undefined }],
    ["a status that is a text", { ...whole, retryStatuses: ["503"] }],
    ["a negative number of attempts", { ...whole, maxAttempts: -1 }],
    ["a wait that is longer than any", { ...whole, initialBackoffMs: 1e18 }],
    ["a wait that is a text", { ...whole, maxBackoffMs: "1" }],
    ["a multiplier of 0", { ...whole, multiplier: 0 }],
  ])("is damaged in the table with %s", (_, stored) => {
    expect(parseRetryPolicy(JSON.stringify(whole))).toEqual(whole);
    expect(parseRetryPolicy(typeof stored === "string" ? stored : JSON.stringify(stored))).toBeUndefined();
  });

  const read = (policy: MessageInitShape<typeof RetryPolicySchema>) => {
    const violations: FieldViolation[] = [];
    return { policy: readRetryPolicy(create(RetryPolicySchema, policy), "p", violations), violations };
  };

  it("is kept as it was given", () => {
    const given = {
      ...{ maxAttempts: 3, initialBackoff: durationFromMs(250), maxBackoff: durationFromMs(9_000), multiplier: 1.5 },
      retryStatuses: [404, 503, 404],
    };
    const { policy, violations } = read(given);
    expect(violations).toEqual([]);
    expect(policy).toEqual({
      ...{ maxAttempts: 3, initialBackoffMs: 250, maxBackoffMs: 9_000, multiplier: 1.5, retryStatuses: [404, 503] },
    });
    expect(parseRetryPolicy(formatTarget({ webhook: null, retryPolicy: policy }).retryPolicy)).toEqual(policy);
  });

  it.each([
    [{ multiplier: 0.5 }, "p.multiplier"],
    [{ multiplier: Number.NaN }, "p.multiplier"],
    [{ multiplier: Number.POSITIVE_INFINITY }, "p.multiplier"],
    [{ multiplier: -2 }, "p.multiplier"],
    [{ initialBackoff: durationFromMs(0) }, "p.initial_backoff"],
    [{ maxBackoff: durationFromMs(86_400_001) }, "p.max_backoff"],
    [{ maxBackoff: durationFromMs(-1) }, "p.max_backoff"],
    [{ retryStatuses: [500, 410] }, "p.retry_statuses"],
  ])("is refused with %j", (more, field) => {
    expect(read(more).violations).toMatchObject([{ field }]);
  });
});

it("a timeout is from a millisecond to an hour, finer is rounded up", () => {
  const violations: FieldViolation[] = [];
  expect(readTimeout(undefined, "t", violations)).toBe(0);
  expect(readTimeout({ $typeName: "google.protobuf.Duration", seconds: 0n, nanos: 1 }, "t", violations)).toBe(1);
  expect(readTimeout(durationFromMs(3_600_000), "t", violations)).toBe(3_600_000);
  expect(violations).toEqual([]);
  readTimeout(durationFromMs(3_600_001), "task.timeout", violations);
  expect(violations).toEqual([{ field: "task.timeout", description: "must be from 1 millisecond to 1 hour" }]);
});
