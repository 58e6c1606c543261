import fc from "fast-check";
import { holdsPlaceholder, PLACEHOLDER_NAMES, parseBody, placeholdersOf, renderBody } from "./body-template.js";

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
  const names = (template: string) => placeholdersOf(parseBody(template));
  expect(names('{"a":"{{task.id}} {{task.id}}","b":{{nobody}}}')).toEqual(["task.id", "task.id", "nobody"]);
  expect(names("{{raw}}{{task.id}}{{/raw}}{{task.name}}{{/raw}}")).toEqual(["task.name", "/raw"]);
  expect(["{{task.id}}", "{{ task.id }}", "{{x}}", "{{raw}}"].map(holdsPlaceholder)).toEqual([
    true,
    true,
    false,
    false,
  ]);
});

it("keeps a JSON body JSON, whatever the task is called", () => {
  fc.assert(
    fc.property(fc.string({ unit: "binary", maxLength: 255 }), (taskName) => {
      const body = renderBody('{"name":"{{task.name}}","id":{{task.id}}}', { ...fields, taskName });
      expect(JSON.parse(body)).toEqual({ name: taskName, id: 7 });
    }),
  );
});

describe("raw text", () => {
  it.each([
    ["{{raw}}{{x}}{{/raw}}", "{{x}}"],
    ["{{raw}}{{task.id}}{{/raw}} is {{task.id}}", "{{task.id}} is 7"],
    ["{{ raw }}{{ /raw}}{{raw }}a{{/raw }}", "a"],
    ["{{raw}}{{raw}}{{/raw}}", "{{raw}}"],
    ["{{raw}}{{{{/raw}}/raw}}", "{{/raw}}"],
    ['{"t":"{{raw}}{{#if a}}\\"{{a}}\\"{{/if}}{{/raw}}","n":{{task.id}}}', '{"t":"{{#if a}}\\"{{a}}\\"{{/if}}","n":7}'],
    ["{{raw}}{{{a}}}{{/raw}}", "{{{a}}}"],
    ["{{raw}}{{raw", "{{raw"],
  ])("stands for itself in %s", (template, body) => {
    expect(renderBody(template, fields)).toBe(body);
  });

  /** Texts that are made of what a template is made of, and others. */
  const texts = fc.oneof(
    fc.string({ unit: "binary" }),
    fc
      .array(
        fc.constantFrom("{", "}", "{{", "}}", "raw", "/raw", " ", "task.id", "{{raw}}", "{{/raw}}", "{{ /raw }}", "x"),
      )
      .map((parts) => parts.join("")),
  );

  it("can write any text, by an escape for each pair of braces", () => {
    const escaped = (text: string): string => text.replaceAll("{{", "{{raw}}{{{{/raw}}");
    fc.assert(
      fc.property(texts, (text) => {
        const template = escaped(text);
        expect(renderBody(template, fields)).toBe(text);
        expect(parseBody(template).isRawOpen).toBe(false);
        expect(placeholdersOf(parseBody(template))).toEqual([]);
      }),
    );
  });

  it("can hold any text but its own end", () => {
    fc.assert(
      fc.property(texts, (text) => {
        fc.pre(!/\{\{\s*\/raw\s*\}\}/.test(text));
        expect(renderBody(`{{raw}}${text}{{/raw}}`, fields)).toBe(text);
      }),
    );
  });
});

it("leaves the meaning of bodies without raw text as it was", () => {
  const known = PLACEHOLDER_NAMES.map((name) => `{{${name}}}`);
  const pieces = fc.array(
    fc.constantFrom("{", "}", "{{", "}}", "\\", "\\{{", '"', " ", "{{ task.id }}", "{}", "x", ...known),
  );
  fc.assert(
    fc.property(pieces, (parts) => {
      const template = parts.join("");
      fc.pre(placeholdersOf(parseBody(template)).every((name) => PLACEHOLDER_NAMES.includes(name)));
      const before = template.replace(/\{\{([^{}]{0,64})\}\}/g, (tag) => renderBody(tag, fields));
      expect(renderBody(template, fields)).toBe(before);
    }),
  );
});

it("reads raw text that never ends in linear time", () => {
  const text = "{{raw}}".repeat(9_000);
  expect(renderBody(text, fields)).toBe(text.slice("{{raw}}".length));
});

it("reads a text of braces in linear time", () => {
  const braces = "{{".repeat(30_000);
  expect(renderBody(braces, fields)).toBe(braces);
});
