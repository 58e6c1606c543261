import { cpSync, existsSync, mkdirSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { Fault } from "./fault.mjs";
import { cacheDir, root } from "./paths.mjs";
import { printProto } from "./proto-printer.mjs";
import { mustRun } from "./run.mjs";

/** The second module of buf.yaml: what our protos import, out of npm packages, so that no registry is asked. */
export const thirdPartyDir = join(cacheDir, "proto");

const require = createRequire(join(root, "package.json"));
const printedFile = "buf/validate/validate.proto";

/** Each file by its import path, with the package that carries it and its place in there. */
const copiedFiles = {
  "google/api/field_behavior.proto": ["google-proto-files", "google/api/field_behavior.proto"],
  "google/rpc/code.proto": ["google-proto-files", "google/rpc/code.proto"],
  "google/rpc/error_details.proto": ["google-proto-files", "google/rpc/error_details.proto"],
  "google/rpc/status.proto": ["google-proto-files", "google/rpc/status.proto"],
  "grpc/health/v1/health.proto": ["grpc-health-check", "proto/health/v1/health.proto"],
};

/** @returns {string} changes whenever one of the packages does that protos or their code come from */
export function thirdPartyVersions() {
  const packages = [
    "@bufbuild/buf",
    "@bufbuild/protoc-gen-es",
    "@bufbuild/protovalidate",
    "google-proto-files",
    "grpc-health-check",
  ];
  return packages
    .map((name) => `${name}@${JSON.parse(readFileSync(join(packageDir(name), "package.json"), "utf8")).version}`)
    .join(" ");
}

/** Gathers the protos again where a package changed or the folder is not whole. */
export async function ensureThirdPartyProtos() {
  const stamp = `${thirdPartyVersions()} ${Object.keys(copiedFiles).join(" ")}`;
  const stampFile = join(thirdPartyDir, "versions.txt");
  if (existsSync(stampFile) && readFileSync(stampFile, "utf8") === stamp) return;
  const fresh = `${thirdPartyDir}.${process.pid}`;
  rmSync(fresh, { recursive: true, force: true });
  try {
    for (const [path, [name, source]] of Object.entries(copiedFiles))
      cpSync(join(packageDir(name), source), join(fresh, path));
    await printValidateProto(fresh);
    writeFileSync(join(fresh, "versions.txt"), stamp);
    rmSync(thirdPartyDir, { recursive: true, force: true });
    renameSync(fresh, thirdPartyDir);
  } finally {
    rmSync(fresh, { recursive: true, force: true });
  }
}

/** validate.proto is in no package as a file, but its descriptor is, in protovalidate's generated code. */
async function printValidateProto(dir) {
  const [{ equals, fromBinary, getOption, hasOption }, wkt, validate] = await Promise.all([
    import("@bufbuild/protobuf"),
    import("@bufbuild/protobuf/wkt"),
    import("@bufbuild/protovalidate/gen/buf/validate/validate_pb.js"),
  ]);
  const original = validate.file_buf_validate_validate;
  const printPredefined = (options) => {
    const holder = { kind: "field", proto: { options } };
    if (!hasOption(holder, validate.predefined)) return [];
    const rules = getOption(holder, validate.predefined).cel.map(printRule);
    return [`(buf.validate.predefined) = { ${rules.join(" ")} }`];
  };
  mkdirSync(dirname(join(dir, printedFile)), { recursive: true });
  writeFileSync(join(dir, printedFile), printProto(original.proto, printPredefined));
  const image = join(dir, "validate.binpb");
  await mustRun("buf", ["build", dir, "--path", join(dir, printedFile), "--exclude-source-info", "-o", image], {
    capture: true,
  });
  const compiled = fromBinary(wkt.FileDescriptorSetSchema, readFileSync(image)).file.find(
    ({ name }) => name === printedFile,
  );
  rmSync(image);
  if (
    !compiled ||
    !equals(wkt.FileDescriptorProtoSchema, withoutUnknown(compiled), original.proto, { unknown: true })
  ) {
    throw new Fault(
      `${printedFile}, printed from @bufbuild/protovalidate, does not compile to its original: see scripts/proto-printer.mjs.`,
    );
  }
}

function printRule({ id, message, expression }) {
  const fields = { id, message, expression };
  const set = Object.entries(fields).filter(([, value]) => value !== "");
  return `cel: { ${set.map(([name, value]) => `${name}: ${JSON.stringify(value)}`).join(" ")} }`;
}

/** buf adds a field of its own to each file of an image, which no descriptor has. */
function withoutUnknown(file) {
  delete file.$unknown;
  return file;
}

/** Packages may be hoisted, or not, and most don't export their package.json: so the folder is looked for. */
function packageDir(name) {
  const found = require.resolve
    .paths(name)
    ?.map((dir) => join(dir, name))
    .find((dir) => existsSync(join(dir, "package.json")));
  if (!found) throw new Fault(`The npm package ${name} is not installed: run npm ci.`);
  return found;
}
