import { create, type DescMessage, type Message, type MessageShape } from "@bufbuild/protobuf";
import { pathToString, reflect } from "@bufbuild/protobuf/reflect";
import { createValidator, type Violation } from "@bufbuild/protovalidate";
import { type FieldViolation, fieldErrors } from "@taskscheduler/domain";

export interface RequestValidator {
  /** What is wrong with a message by the rules of its proto; fields are named from the message on. */
  violations<D extends DescMessage>(schema: D, message: MessageShape<D>): readonly FieldViolation[];
  /** @throws ServiceError with every violation */
  validate<D extends DescMessage>(schema: D, message: MessageShape<D>): void;
  /** Compiles the rules of a message and of those in it: 0.1 s that the first call need not wait for. */
  warmUp(schema: DescMessage): void;
}

/** Sees at once that a message breaks no rule of its proto; where it does not see that, the rules judge. */
export interface Shortcut {
  readonly schema: DescMessage;
  readonly isRight: (message: Message) => boolean;
}

export function shortcut<D extends DescMessage>(schema: D, isRight: (message: MessageShape<D>) => boolean): Shortcut {
  // It is only ever asked about messages of its schema.
  return { schema, isRight: isRight as (message: Message) => boolean };
}

/** Judges messages by the `buf.validate` rules in the protos. */
export function createRequestValidator(shortcuts: readonly Shortcut[] = []): RequestValidator {
  const validator = createValidator();
  const isRight = new Map(shortcuts.map((each) => [each.schema, each.isRight]));

  function violations<D extends DescMessage>(schema: D, message: MessageShape<D>): readonly FieldViolation[] {
    if (isRight.get(schema)?.(message) === true) return [];
    const result = validator.validate(schema, message);
    if (result.kind === "error") throw result.error;
    return result.kind === "valid" ? [] : result.violations.map(fieldViolation);
  }

  return {
    violations,
    validate(schema, message) {
      const error = fieldErrors(violations(schema, message));
      if (error !== undefined) throw error;
    },
    warmUp(schema) {
      validator.validate(schema, filled(schema));
    },
  };
}

/** A message in which each message field is set, so that their rules are looked at too. */
function filled(schema: DescMessage): Message {
  const message = create(schema);
  const reflected = reflect(schema, message);
  for (const field of schema.fields) {
    if (field.fieldKind === "message") reflected.set(field, reflect(field.message));
  }
  return message;
}

/**
 * A map's entry is named by its field, with the key in the description: keys are the user's. A rule of a whole message
 * is named by the field that is the second part of its id (`task.recurrence.one_kind`).
 */
function fieldViolation(violation: Violation): FieldViolation {
  const path = violation.field.filter((step) => step.kind !== "map_sub");
  const keys = violation.field.filter((step) => step.kind === "map_sub").map((step) => JSON.stringify(step.key));
  const [, field, rule] = violation.ruleId.split(".");
  const ofMessage = violation.rule.length === 0 && field !== undefined && rule !== undefined;
  return {
    field: [pathToString(path), ...(ofMessage ? [field] : [])].filter((part) => part !== "").join("."),
    description: [...keys, violation.message].join(": "),
  };
}
