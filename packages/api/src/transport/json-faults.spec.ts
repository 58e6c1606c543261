import { type DescMessage, fromJsonString } from "@bufbuild/protobuf";
import {
  BatchCreateTasksRequestSchema,
  CreateTaskRequestSchema,
  ListExecutionsRequestSchema,
  ListTasksRequestSchema,
  PreviewScheduleRequestSchema,
  ReportExecutionsRequestSchema,
  UpdateTaskRequestSchema,
} from "@taskscheduler/proto";
import { jsonFaults } from "./json-faults.js";

const time = /RFC 3339.*2100-01-31T09:30:00Z/;
const duration = /3\.5s/;
const recurrences = /one of RECURRENCE_ONCE, RECURRENCE_DAILY, .*RECURRENCE_YEARLY$/;
const uint32 = /whole number from 0 to 4294967295/;
const int32 = /whole number from -2147483648 to 2147483647/;

const task = (fields: string): string => `{"task":{${fields}}}`;

it.each<[string, DescMessage, string, [string, RegExp][]]>([
  ["a time in words", CreateTaskRequestSchema, task('"scheduledTime":"tomorrow"'), [["task.scheduled_time", time]]],
  [
    "a time without its zone",
    CreateTaskRequestSchema,
    task('"scheduled_time":"2100-01-01T00:00:00"'),
    [["task.scheduled_time", time]],
  ],
  ["a time as a number", CreateTaskRequestSchema, task('"endTime":4102444800'), [["task.end_time", time]]],
  ["a time of the year 10000", PreviewScheduleRequestSchema, '{"after":"10000-01-01T00:00:00Z"}', [["after", time]]],
  [
    "a time as the binary form has it",
    CreateTaskRequestSchema,
    task('"scheduledTime":{"seconds":1}'),
    [["task.scheduled_time", time]],
  ],
  ["a duration without its unit", CreateTaskRequestSchema, task('"jitter":"3.5"'), [["task.jitter", duration]]],
  [
    "a duration of too many digits",
    CreateTaskRequestSchema,
    task('"jitter":"1.0000000001s"'),
    [["task.jitter", duration]],
  ],
  [
    "a duration in a message of a message",
    CreateTaskRequestSchema,
    task('"retryPolicy":{"initialBackoff":5}'),
    [["task.retry_policy.initial_backoff", duration]],
  ],
  [
    "an enum's unknown name",
    CreateTaskRequestSchema,
    task('"recurrence":"HOURLY"'),
    [["task.recurrence", recurrences]],
  ],
  [
    "an enum beyond 32 bits",
    CreateTaskRequestSchema,
    task('"recurrence":1099511627776'),
    [["task.recurrence", recurrences]],
  ],
  [
    "an enum in a list",
    ListTasksRequestSchema,
    '{"states":["TASK_STATE_ACTIVE","PAUSED"]}',
    [["states[1]", /TASK_STATE_PAUSED/]],
  ],
  ["null in a list", ListExecutionsRequestSchema, '{"states":[null]}', [["states[0]", /EXECUTION_STATE_SKIPPED$/]]],
  ["no list", ListTasksRequestSchema, '{"states":"TASK_STATE_ACTIVE"}', [["states", /must be a list/]]],
  ["an unknown field", CreateTaskRequestSchema, task('"nmae":"a"'), [["task.nmae", /not a field of Task$/]]],
  [
    "an unknown field of the request",
    CreateTaskRequestSchema,
    '{"name":"a"}',
    [["name", /not a field of CreateTaskRequest$/]],
  ],
  ["__proto__", CreateTaskRequestSchema, task('"__proto__":{"name":"a"}'), [["task.__proto__", /not a field/]]],
  ["a number for a string", CreateTaskRequestSchema, task('"name":5'), [["task.name", /must be a string/]]],
  ["half a surrogate pair", CreateTaskRequestSchema, task('"name":"a\\ud800"'), [["task.name", /surrogate/]]],
  ["a string for a message", CreateTaskRequestSchema, '{"task":"a"}', [["task", /must be an object/]]],
  ["a list for a message", CreateTaskRequestSchema, '{"task":[]}', [["task", /must be an object/]]],
  ["a string for a flag", CreateTaskRequestSchema, '{"validateOnly":"true"}', [["validate_only", /true or false/]]],
  ["a negative number", ListExecutionsRequestSchema, '{"taskId":-1}', [["task_id", uint32]]],
  ["a fraction", ListTasksRequestSchema, '{"pageSize":1.5}', [["page_size", int32]]],
  ["a number beyond 32 bits", ListTasksRequestSchema, '{"pageSize":2147483648}', [["page_size", int32]]],
  [
    "a number beyond 64 bits",
    ReportExecutionsRequestSchema,
    '{"reports":[{"scheduledTimeMs":"9223372036854775808"}]}',
    [["reports[0].scheduled_time_ms", /64 bits/]],
  ],
  [
    "a label that is no string",
    CreateTaskRequestSchema,
    task('"labels":{"k":1}'),
    [["task.labels", /^"k": must be a string/]],
  ],
  [
    "labels that are no object",
    CreateTaskRequestSchema,
    task('"labels":"k=v"'),
    [["task.labels", /must be an object/]],
  ],
  [
    "a mask in the proto's names",
    UpdateTaskRequestSchema,
    '{"updateMask":"scheduled_time"}',
    [["update_mask", /lowerCamelCase/]],
  ],
  [
    "a mask as a message",
    UpdateTaskRequestSchema,
    '{"updateMask":{"paths":["name"]}}',
    [["update_mask", /name,timeZone/]],
  ],
  [
    "a field under both names",
    CreateTaskRequestSchema,
    task('"time_zone":"UTC","timeZone":"UTC"'),
    [["task.time_zone", /both of its names/]],
  ],
  ["a field twice", CreateTaskRequestSchema, task('"name":"a,{[","name":"b"'), [["task.name", /given twice/]]],
  [
    "a label twice",
    CreateTaskRequestSchema,
    task('"labels":{"a\\"":"\\\\","k":"2","\\u006b":"3"}'),
    [["task.labels", /given twice/]],
  ],
  [
    "a field twice in a list",
    BatchCreateTasksRequestSchema,
    '{"tasks":[{"name":"x","labels":{}},{"timeZone":"a","timeZone":"b"}]}',
    [["tasks[1].time_zone", /given twice/]],
  ],
  [
    "several at once",
    BatchCreateTasksRequestSchema,
    '{"tasks":[{"name":"right"},{"name":1,"recurrence":"X"},{"webhook":{"url":false}}],"more":1}',
    [
      ["tasks[1].name", /string/],
      ["tasks[1].recurrence", recurrences],
      ["tasks[2].webhook.url", /string/],
      ["more", /not a field/],
    ],
  ],
])("%s is named by its field, with what would be right", (_, schema, text, expected) => {
  expect(() => fromJsonString(schema, text)).toThrow();
  const faults = jsonFaults(schema, text);
  expect(faults.map(({ field }) => field)).toEqual(expected.map(([field]) => field));
  for (const [index, [, description]] of expected.entries()) expect(faults[index]?.description).toMatch(description);
});

it.each(["", "{", "[]", "1", "null", "{}", '{"task":null}', task('"name":"a","labels":{"k":"v"}')])(
  "%s has no field that is wrong",
  (text) => {
    expect(jsonFaults(CreateTaskRequestSchema, text)).toEqual([]);
  },
);

it.each([
  ["a text of 15 MB", task(`"name":"${"x".repeat(15_000_000)}","more":1`), "task.more"],
  ["a text of 15 MB in escapes", task(`"name":"${'\\"'.repeat(7_500_000)}","more":1`), "task.more"],
  ["100,000 levels", task(`"labels":${"[".repeat(100_000)}${"]".repeat(100_000)}`), "task.labels"],
  ["100,000 unknown fields", `{${Array.from({ length: 100_000 }, (_, i) => `"f${i}":0`).join()}}`, "f0"],
])("%s is looked through", (_, text, field) => {
  const faults = jsonFaults(CreateTaskRequestSchema, text);
  expect(faults[0]?.field).toBe(field);
  expect(faults.length).toBeLessThanOrEqual(20);
});

it.each(["2100-02-29T00:00:00Z", "2030-02-30T00:00:00Z", "2030-04-31T00:00:00+02:00", "2030-01-01T24:00:00Z"])(
  "finds the time %s, which the library takes for another day, and no text that looks like it",
  (impossible) => {
    const fields = `"description":"${impossible}","labels":{"a":"${impossible}"},"scheduledTime":"${impossible}"`;
    const faults = jsonFaults(CreateTaskRequestSchema, task(fields));
    expect(faults).toEqual([{ field: "task.scheduled_time", description: expect.stringMatching(time) }]);
    const batch = `{"tasks":[{"name":"a"},{"scheduled_time":"${impossible}"}]}`;
    expect(jsonFaults(BatchCreateTasksRequestSchema, batch).map(({ field }) => field)).toEqual([
      "tasks[1].scheduled_time",
    ]);
  },
);

it.each(["2096-02-29T00:00:00Z", "2030-01-31T23:59:59.999+14:00"])("lets the time %s be", (possible) => {
  expect(jsonFaults(CreateTaskRequestSchema, task(`"scheduledTime":"${possible}"`))).toEqual([]);
});
