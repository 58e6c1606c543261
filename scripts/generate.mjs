import { createHash } from "node:crypto";
import { existsSync, mkdirSync, mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
import { ensureDependencies } from "./dependencies.mjs";
import { runMain } from "./fault.mjs";
import { cacheDir, root } from "./paths.mjs";
import { mustRun } from "./run.mjs";
import { ensureThirdPartyProtos, thirdPartyVersions } from "./third-party-protos.mjs";

/** As in buf.gen.yaml. */
const outDir = join("packages", "proto", "src", "gen");
const stampFile = join(cacheDir, "generated.sha256");

/**
 * Brings the generated code to what the protos say; quick where neither changed since the last time.
 *
 * @param {{ force?: boolean }} [options]
 * @returns {Promise<string[]>} the files that were written or removed
 */
export async function generate({ force = false } = {}) {
  await ensureThirdPartyProtos();
  if (!force && existsSync(stampFile) && readFileSync(stampFile, "utf8") === fingerprint()) return [];
  const changed = await generateAside((fresh) => {
    const differing = differences(fresh, readTree(join(root, outDir)));
    for (const path of differing) replace(join(root, outDir, path), fresh.get(path));
    return differing;
  });
  writeFileSync(stampFile, fingerprint());
  return changed;
}

/** @returns {Promise<string[]>} the files in which the committed code differs from what the protos say */
export async function findStaleCode() {
  await ensureThirdPartyProtos();
  return generateAside((fresh) => differences(fresh, readTree(join(root, outDir))));
}

/** Beside, not in place: a compiler that runs at this moment never sees the folder half filled. */
async function generateAside(use) {
  mkdirSync(cacheDir, { recursive: true });
  const dir = mkdtempSync(join(cacheDir, "generate-"));
  try {
    await mustRun("buf", ["generate", "-o", dir], { capture: true });
    return use(readTree(join(dir, outDir)));
  } finally {
    rmSync(dir, { recursive: true, force: true });
  }
}

function differences(fresh, present) {
  const paths = new Set([...fresh.keys(), ...present.keys()]);
  return [...paths].filter((path) => fresh.get(path) !== present.get(path)).sort();
}

function replace(file, content) {
  if (content === undefined) return rmSync(file);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, content);
}

/** @returns {Map<string, string>} each file's content by its path in the folder */
function readTree(dir) {
  if (!existsSync(dir)) return new Map();
  const files = readdirSync(dir, { recursive: true, withFileTypes: true }).filter((entry) => entry.isFile());
  const paths = files.map((entry) => join(entry.parentPath ?? entry.path, entry.name)).sort();
  return new Map(paths.map((path) => [path.slice(dir.length + 1), readFileSync(path, "utf8")]));
}

/** Covers the input and the output: code that somebody edited or removed is generated again. */
function fingerprint() {
  const hash = createHash("sha256").update(thirdPartyVersions());
  for (const file of ["buf.yaml", "buf.gen.yaml"]) hash.update(readFileSync(join(root, file)));
  for (const dir of ["proto", outDir]) hash.update(JSON.stringify([...readTree(join(root, dir))]));
  return hash.digest("hex");
}

async function main() {
  await ensureDependencies();
  const changed = await generate({ force: true });
  console.log(
    changed.length ? changed.map((path) => join(outDir, path)).join("\n") : "The generated code is up to date.",
  );
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) await runMain(main);
