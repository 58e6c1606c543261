import fc from "fast-check";
import { PLACEHOLDER_NAMES, placeholdersOf, renderBody } from "./body-template.js";

const fields = {
  ...{ taskId: 7, taskName: "night", executionId: "7.1790000000000", scheduledTimeMs: 1_790_000_000_000 },
  ...{ attempt: 2, trigger: "SCHEDULE" },
};

it("replaces what it knows, with and without spaces", () => {
  const template = PLACEHOLDER_NAMES.map((name) => `{{${name}}} {{ ${name} }}`).join("\n");
  expect(renderBody(template, fields).split("\n")).toEqual([
    "7 7",
    "night night",
    "7.1790000000000 7.1790000000000",
    "2026-09-21T14:13:20.000Z 2026-09-21T14:13:20.000Z",
    "2 2",
    "SCHEDULE SCHEDULE",
  ]);
});

it("leaves other braces as they are", () => {
  for (const text of ["", "{}", "{{}}", "{{ }}", "{{other}}", "{{task.name", "{task.name}", '{"a":{"b":{}}}']) {
    expect(renderBody(text, fields)).toBe(text);
  }
});

it("tells what a body names, as often as it does", () => {
  expect(placeholdersOf('{"a":"{{task.id}} {{task.id}}","b":{{nobody}}}')).toEqual(["task.id", "task.id", "nobody"]);
});

it("keeps a JSON body JSON, whatever the task is called", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 255 }), (taskName) => {
      const body = renderBody('{"name":"{{task.name}}","id":{{task.id}}}', { ...fields, taskName });
      expect(JSON.parse(body)).toEqual({ name: taskName, id: 7 });
    }),
  );
});

it("reads a text of braces in linear time", () => {
  const braces = "{{".repeat(30_000);
  expect(renderBody(braces, fields)).toBe(braces);
});
