import { DstPolicy, Recurrence } from "@taskscheduler/proto";
import { type ApiFixture, at, CLIENTS, faultOf, startApiFixture, textOf } from "./api-fixture.js";

let fixture: ApiFixture;

beforeAll(async () => {
  fixture = await startApiFixture();
});
afterAll(() => fixture?.stop());

const { ONCE, DAILY, WEEKLY, BIWEEKLY, MONTHLY, QUARTERLY, YEARLY } = Recurrence;

/** What is asked, and the local times that must come, the adjusted ones with a star. */
const hard: readonly [string, { start: string; recurrence: Recurrence; timeZone?: string }, readonly string[]][] = [
  [
    "months that are shorter",
    { start: "2023-01-31T10:00:00Z", recurrence: MONTHLY },
    ["2023-01-31T10:00:00", "2023-02-28T10:00:00", "2023-03-31T10:00:00", "2023-04-30T10:00:00"].map(
      (t) => `${t}+00:00`,
    ),
  ],
  [
    "a leap year's February",
    { start: "2024-01-30T10:00:00.5Z", recurrence: MONTHLY },
    ["2024-01-30T10:00:00.500+00:00", "2024-02-29T10:00:00.500+00:00", "2024-03-30T10:00:00.500+00:00"],
  ],
  [
    "quarters from a month's end",
    { start: "2025-11-30T00:00:00Z", recurrence: QUARTERLY },
    ["2025-11-30", "2026-02-28", "2026-05-30", "2026-08-30"].map((day) => `${day}T00:00:00+00:00`),
  ],
  [
    "years from February 29",
    { start: "2096-02-29T00:00:00Z", recurrence: YEARLY },
    ["2096-02-29", "2097-02-28", "2098-02-28", "2099-02-28", "2100-02-28", "2101-02-28"].map(
      (day) => `${day}T00:00:00+00:00`,
    ),
  ],
  [
    "a gap: read with the offset before it",
    { start: "2026-03-07T07:30:00Z", recurrence: DAILY, timeZone: "America/New_York" },
    ["2026-03-07T02:30:00-05:00", "2026-03-08T03:30:00-04:00*", "2026-03-09T02:30:00-04:00"],
  ],
  [
    "an overlap: the first of the two",
    { start: "2026-10-31T05:30:00Z", recurrence: DAILY, timeZone: "America/New_York" },
    ["2026-10-31T01:30:00-04:00", "2026-11-01T01:30:00-04:00", "2026-11-02T01:30:00-05:00"],
  ],
  [
    "a week over a change of half an hour",
    { start: "2026-09-26T15:40:00Z", recurrence: WEEKLY, timeZone: "Australia/Lord_Howe" },
    ["2026-09-27T02:10:00+10:30", "2026-10-04T02:40:00+11:00*", "2026-10-11T02:10:00+11:00"],
  ],
  [
    "a gap at midnight",
    { start: "2018-11-03T03:00:00Z", recurrence: DAILY, timeZone: "america/sao_paulo" },
    ["2018-11-03T00:00:00-03:00", "2018-11-04T01:00:00-02:00*", "2018-11-05T00:00:00-02:00"],
  ],
  [
    "a day that Samoa never had",
    { start: "2011-12-28T22:00:00Z", recurrence: DAILY, timeZone: "Pacific/Apia" },
    [
      "2011-12-28T12:00:00-10:00",
      "2011-12-29T12:00:00-10:00",
      "2011-12-31T12:00:00+14:00",
      "2012-01-01T12:00:00+14:00",
    ],
  ],
  [
    "a fixed offset",
    { start: "2026-03-07T20:00:00Z", recurrence: BIWEEKLY, timeZone: "+05:30" },
    ["2026-03-08T01:30:00+05:30", "2026-03-22T01:30:00+05:30", "2026-04-05T01:30:00+05:30"],
  ],
];

describe.each(CLIENTS)("%s", (name) => {
  const preview = (request: object) => fixture.clients[name].call("previewSchedule", request);

  it.each(hard)("knows %s", async (_, { start, recurrence, timeZone = "" }, expected) => {
    const after = at(new Date(Date.parse(start) - 1).toISOString());
    const request = { scheduledTime: at(start), recurrence, timeZone, after, count: expected.length };
    const { occurrences, warnings } = await preview(request);
    expect(occurrences.map(({ localTime, dstAdjusted }) => localTime + (dstAdjusted ? "*" : ""))).toEqual(expected);
    for (const { time, localTime } of occurrences) {
      expect(Date.parse(textOf(time) ?? "")).toBe(Date.parse(localTime));
    }
    expect(warnings).toHaveLength(expected.some((text) => text.endsWith("*")) ? 1 : 0);
  });

  it("has 10 by default, from now on", async () => {
    const { occurrences, description } = await preview({
      scheduledTime: at("2001-01-01T09:30:00Z"),
      recurrence: DAILY,
    });
    expect(occurrences).toHaveLength(10);
    const firstMs = Date.parse(textOf(occurrences[0]?.time) ?? "");
    expect(firstMs).toBeGreaterThan(Date.now() - 10_000);
    expect(firstMs).toBeLessThanOrEqual(Date.now() + 86_400_000);
    expect(description).toBe("Daily, at 09:30 (UTC)");
  });
});

const preview = (request: object) => fixture.client.call("previewSchedule", request);
const times = async (request: object) => (await preview(request)).occurrences.map(({ time }) => textOf(time));

describe("after", () => {
  const schedule = { scheduledTime: at("2030-01-01T00:00:00Z"), recurrence: DAILY, count: 1 };

  it.each([
    ["2000-01-01T00:00:00Z", "2030-01-01T00:00:00Z"],
    ["2029-12-31T23:59:59.999999999Z", "2030-01-01T00:00:00Z"],
    ["2030-01-01T00:00:00Z", "2030-01-02T00:00:00Z"],
    ["2030-01-01T00:00:00.000000001Z", "2030-01-02T00:00:00Z"],
    ["9999-12-30T23:59:59.999999999Z", "9999-12-31T00:00:00Z"],
    ["0001-01-01T00:00:00Z", "2030-01-01T00:00:00Z"],
  ])("%s comes %s", async (after, expected) => {
    expect(await times({ ...schedule, after: at(after) })).toEqual([expected]);
  });

  it("the last day of all comes nothing", async () => {
    expect(await times({ ...schedule, after: at("9999-12-31T00:00:00Z") })).toEqual([]);
    expect(await times({ ...schedule, count: 1000, after: at("9999-12-29T12:00:00Z") })).toHaveLength(2);
  });
});

it("has up to 1000, each once and in order", async () => {
  const scheduledTime = at("2025-01-01T01:30:00Z");
  const request = {
    scheduledTime,
    recurrence: DAILY,
    timeZone: "Europe/London",
    count: 1000,
    after: at("2024-01-01T00:00:00Z"),
  };
  const texts = await times(request);
  expect(new Set(texts).size).toBe(1000);
  const sorted = [...texts].sort((a, b) => Date.parse(a ?? "") - Date.parse(b ?? ""));
  expect(texts).toEqual(sorted);
});

it("of once is the time itself, however it is said", async () => {
  const scheduledTime = at("2030-01-01T00:00:00.0000001Z");
  for (const recurrence of [Recurrence.UNSPECIFIED, ONCE]) {
    expect(await times({ scheduledTime, recurrence })).toEqual(["2030-01-01T00:00:00.001Z"]);
  }
});

it("warns of a schedule that has no occurrence any more", async () => {
  const { occurrences, warnings } = await preview({ scheduledTime: at("2001-01-01T00:00:00Z") });
  expect(occurrences).toEqual([]);
  expect(warnings).toEqual(["the schedule has no occurrence from now to the year 9999"]);
  const past = await preview({ scheduledTime: at("2001-01-01T00:00:00Z"), after: at("2000-01-01T00:00:00Z") });
  expect(past.occurrences.map(({ time }) => textOf(time))).toEqual(["2001-01-01T00:00:00Z"]);
  expect(past.warnings).toHaveLength(1);
});

const scheduledTime = at("2030-01-01T00:00:00Z");

it.each([
  ["cron", { cron: "* * * * *" }],
  ["rrule", { rrule: "FREQ=DAILY" }],
  ["dst_policy", { dstPolicy: DstPolicy.SHIFT }],
  ["end_time", { endTime: scheduledTime }],
  ["max_runs", { maxRuns: 1 }],
  ["jitter", { jitter: { seconds: 1n, nanos: 0 } }],
])("does not know %s yet", async (field, change) => {
  const fault = await faultOf(preview({ scheduledTime, ...change }));
  expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "NOT_SUPPORTED_YET", fields: [field] });
});

it.each([
  ["no time", { scheduledTime: undefined }, ["scheduled_time"]],
  ["an unknown zone", { timeZone: "Mars/Olympus" }, ["time_zone"]],
  ["an unknown recurrence", { recurrence: 99 }, ["recurrence"]],
  ["two kinds of schedule", { recurrence: DAILY, cron: "* * * * *" }, ["recurrence"]],
  ["too many", { count: 1001 }, ["count"]],
  ["less than none", { count: -1 }, ["count"]],
])("refuses %s", async (_, change, fields) => {
  const fault = await faultOf(preview({ scheduledTime, ...change }));
  expect(fault).toMatchObject({ code: "INVALID_ARGUMENT", reason: "INVALID_FIELD", fields });
});
