/**
 * Prints a file descriptor as proto2 source. It knows what buf/validate/validate.proto uses and refuses the rest; whoever
 * prints compiles the result and compares, so that a construct it overlooks cannot pass.
 */
const scalarNames = {
  1: "double",
  2: "float",
  3: "int64",
  4: "uint64",
  5: "int32",
  6: "fixed64",
  7: "fixed32",
  8: "bool",
  9: "string",
  12: "bytes",
  13: "uint32",
  15: "sfixed32",
  16: "sfixed64",
  17: "sint32",
  18: "sint64",
}; // prettier-ignore
const labels = { 1: "optional ", 2: "required ", 3: "repeated " };
const maxFieldNumber = 536870912;

/**
 * @param {import("@bufbuild/protobuf/wkt").FileDescriptorProto} file
 * @param {(options: object) => string[]} printFieldOptions custom options of a field, each as `(name) = value`
 * @returns {string}
 */
export function printProto(file, printFieldOptions) {
  const lines = [`syntax = "proto2";`, `package ${file.package};`];
  for (const path of file.dependency) lines.push(`import ${JSON.stringify(path)};`);
  for (const [name, value] of Object.entries(file.options ?? {})) {
    if (!name.startsWith("$") && !Array.isArray(value))
      lines.push(`option ${snakeCase(name)} = ${JSON.stringify(value)};`);
  }
  for (const field of file.extension)
    lines.push(`extend ${field.extendee} {`, printField(field, labels[field.label], printFieldOptions), "}");
  for (const message of file.messageType) lines.push(...printMessage(message, printFieldOptions));
  for (const type of file.enumType) lines.push(...printEnum(type));
  return `${lines.join("\n")}\n`;
}

function printMessage(message, printFieldOptions) {
  if (message.nestedType.length || message.enumType.length || message.extension.length) {
    throw new Error(`proto-printer: ${message.name} holds nested types, which it cannot print.`);
  }
  const lines = [`message ${message.name} {`, ...printReserved(message, (range) => range.end - 1)];
  for (const { start, end } of message.extensionRange) {
    lines.push(`extensions ${start} to ${end >= maxFieldNumber ? "max" : end - 1};`);
  }
  for (const field of message.field) {
    if (!inOneof(field)) lines.push(printField(field, labels[field.label], printFieldOptions));
    else if (isFirstOfOneof(message, field)) lines.push(...printOneof(message, field.oneofIndex, printFieldOptions));
  }
  return [...lines, "}"];
}

function printOneof(message, index, printFieldOptions) {
  const members = message.field.filter((one) => inOneof(one) && one.oneofIndex === index);
  const { name } = message.oneofDecl[index];
  return [`oneof ${name} {`, ...members.map((one) => printField(one, "", printFieldOptions)), "}"];
}

function isFirstOfOneof(message, field) {
  return field === message.field.find((one) => inOneof(one) && one.oneofIndex === field.oneofIndex);
}

/** Unset, the property reads as 0 all the same: by inheritance. */
function inOneof(field) {
  return Object.hasOwn(field, "oneofIndex");
}

function printField(field, label, printFieldOptions) {
  const options = field.options ? printFieldOptions(field.options) : [];
  const type = scalarNames[field.type] ?? field.typeName;
  return `${label}${type} ${field.name} = ${field.number}${options.length ? ` [${options.join(", ")}]` : ""};`;
}

function printEnum(type) {
  const values = type.value.map(({ name, number }) => `${name} = ${number};`);
  return [`enum ${type.name} {`, ...printReserved(type, (range) => range.end), ...values, "}"];
}

function printReserved({ reservedRange, reservedName }, lastOf) {
  const ranges = reservedRange.map((range) => `reserved ${range.start} to ${lastOf(range)};`);
  return [...ranges, ...reservedName.map((name) => `reserved ${JSON.stringify(name)};`)];
}

function snakeCase(name) {
  return name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`);
}
