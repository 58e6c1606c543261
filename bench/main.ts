import { parseArgs } from "node:util";
import { build } from "../scripts/build.mjs";
import { Fault, runMain } from "../scripts/fault.mjs";
import { machineOf, startBenchDatabase } from "./database.js";
import { print } from "./figure.js";
import type { Bench, Workload } from "./workload.js";
import { batch } from "./workloads/batch.js";
import { burst } from "./workloads/burst.js";
import { capacity } from "./workloads/capacity.js";
import { lateness } from "./workloads/lateness.js";
import { start } from "./workloads/start.js";
import { createTask, get, getJson } from "./workloads/unary.js";
import { watch } from "./workloads/watch.js";

const workloads: readonly Workload[] = [get, getJson, createTask, batch, burst, lateness, capacity, watch, start];

const say = (line: string): void => console.error(line);

async function main(): Promise<number> {
  const { positionals, values } = parseArgs({ allowPositionals: true, options: { profile: { type: "string" } } });
  const wanted = wantedWorkloads(positionals);
  await build();
  const database = await startBenchDatabase();
  try {
    const profile = values.profile === undefined ? {} : { profileDir: values.profile };
    const bench: Bench = { serverUrl: database.url, say, ...profile };
    const machine = await machineOf(database.url);
    for (const workload of wanted) {
      say(`${workload.name} …`);
      for (const figure of await workload.run(bench)) print(figure, machine);
    }
    return 0;
  } finally {
    await database.stop();
  }
}

function wantedWorkloads(names: readonly string[]): readonly Workload[] {
  const known = workloads.map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Fault(`There is no workload ${unknown}; there are ${known.join(", ")}.`);
  return names.length === 0 ? workloads : workloads.filter(({ name }) => names.includes(name));
}

await runMain(main);
process.exit();
