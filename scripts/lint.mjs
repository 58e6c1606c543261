import { join } from "node:path";
import { build } from "./build.mjs";
import { ensureDependencies, isInstalled } from "./dependencies.mjs";
import { runMain } from "./fault.mjs";
import { findStaleCode } from "./generate.mjs";
import { root } from "./paths.mjs";
import { run } from "./run.mjs";
import { ensureThirdPartyProtos } from "./third-party-protos.mjs";

const peersDir = join(root, "bench/peers");

/** The generated code is judged first: the build would bring it up to date. Each check gives what is wrong, or nothing. */
const checks = {
  "generated code up to date (npm run generate)": async () => (await findStaleCode()).join("\n"),
  types: () => attempt(build),
  "types of the specs": () => tool("tsc", "-p", "tsconfig.test.json", "--pretty", "false"),
  "types of the bench's peers, where they are installed": () =>
    isInstalled(peersDir) ? tool("tsc", "-p", peersDir, "--pretty", "false") : "",
  "lint, format, import boundaries (npm run format)": () => tool("biome", "check", "--error-on-warnings", "."),
  "buf lint": () => tool("buf", "lint", "proto"),
  "buf format (npm run format)": () => tool("buf", "format", "-d", "--exit-code", "proto"),
};

async function tool(command, ...args) {
  const { code, output } = await run(command, args, { capture: true });
  return code === 0 ? "" : output.trim() || `exit code ${code}`;
}

async function attempt(step) {
  try {
    await step();
    return "";
  } catch (error) {
    return error.message;
  }
}

await runMain(async () => {
  await ensureDependencies();
  await ensureThirdPartyProtos();
  let failures = 0;
  for (const [name, check] of Object.entries(checks)) {
    const fault = await attempt(async () => {
      const found = await check();
      if (found) throw new Error(found);
    });
    console.log(`${fault ? "FAIL" : "ok  "}  ${name}${fault ? `\n${fault}` : ""}`);
    if (fault) failures++;
  }
  return failures ? 1 : 0;
});
