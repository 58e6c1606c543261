import { create, type MessageInitShape } from "@bufbuild/protobuf";
import { CreateTaskRequestSchema, type Task, TaskSchema } from "@taskscheduler/proto";
import fc from "fast-check";
import { createRequestValidator } from "../policies/request-validator.js";
import { PLAIN_TASKS } from "./plain-tasks.js";

const rules = createRequestValidator();
const shortcutOf = (schema: unknown) => PLAIN_TASKS.find((each) => each.schema === schema)!.isRight;

/** Around the bound of a text, in characters of one and of two UTF-16 units. */
const textAround = (bound: number) =>
  fc
    .record({ length: fc.constantFrom(0, 1, bound - 1, bound, bound + 1), character: fc.constantFrom("a", "🚀") })
    .map(({ length, character }) => character.repeat(length));

const rarely = <T>(arbitrary: fc.Arbitrary<T>) =>
  fc.oneof({ weight: 20, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary });
const duration = fc.constant({ seconds: 1n });

const fields = fc.record(
  {
    name: textAround(255),
    recurrence: fc.integer({ min: -1, max: 9 }),
    timeZone: textAround(64),
    description: textAround(4_096),
    etag: textAround(64),
    labels: fc.oneof(
      fc.dictionary(textAround(63), textAround(255), { maxKeys: 3 }),
      fc
        .integer({ min: 63, max: 65 })
        .map((size) => Object.fromEntries(Array.from({ length: size }, (_, n) => [n, ""]))),
    ),
    cron: rarely(textAround(1_024)),
    rrule: rarely(textAround(8_192)),
    dstPolicy: rarely(fc.integer({ min: 0, max: 99 })),
    misfirePolicy: rarely(fc.integer({ min: 0, max: 99 })),
    overlapPolicy: rarely(fc.integer({ min: 0, max: 99 })),
    catchUpWindow: rarely(duration),
    jitter: rarely(duration),
    timeout: rarely(duration),
    maxRuns: fc.nat(),
    webhook: rarely(fc.record({ url: fc.constantFrom("", "https://example.com", "no") })),
    retryPolicy: rarely(fc.record({ maxAttempts: fc.nat() })),
    lastExecution: rarely(fc.record({ state: fc.integer({ min: -1, max: 99 }) })),
  },
  { requiredKeys: ["name"] },
);

const taskOf = (init: object): Task =>
  create(TaskSchema, Object.fromEntries(Object.entries(init).filter(([, value]) => value !== undefined)));

test("what is taken for right breaks no rule of the proto", () => {
  let right = 0;
  const isRight = shortcutOf(TaskSchema);
  fc.assert(
    fc.property(fields, (init) => {
      const task = taskOf(init);
      if (!isRight(task)) return;
      right += 1;
      expect(rules.violations(TaskSchema, task)).toEqual([]);
    }),
    { numRuns: 2_000 },
  );
  expect(right).toBeGreaterThan(50);
});

test.each<[boolean, MessageInitShape<typeof CreateTaskRequestSchema>]>([
  [true, { task: taskOf({ name: "a", labels: { team: "x" } }) }],
  [true, { task: taskOf({ name: "" }), validateOnly: true }],
  [false, {}],
  [false, { task: taskOf({ name: "a" }), requestId: "b7e6a3ee-1f7c-4f5f-9d6e-0f7cf41d5a55" }],
  [false, { task: taskOf({ name: "a" }), requestId: "no" }],
  [false, { task: taskOf({ name: "a".repeat(256) }) }],
])("takes for right: %s, of the request %#", (expected, init) => {
  const request = create(CreateTaskRequestSchema, init);
  expect(shortcutOf(CreateTaskRequestSchema)(request)).toBe(expected);
  if (expected) expect(rules.violations(CreateTaskRequestSchema, request)).toEqual([]);
});
