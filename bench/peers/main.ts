import { readFileSync } from "node:fs";
import { parseArgs } from "node:util";
import { build } from "../../scripts/build.mjs";
import { Fault, runMain } from "../../scripts/fault.mjs";
import { startChild } from "../child.js";
import { machineOf, startBenchDatabase } from "../database.js";
import { type Figure, print } from "../figure.js";
import { alternate, median } from "../rounds.js";
import type { Bench } from "../workload.js";
import { BURST_TASKS, measureBurst } from "../workloads/burst.js";
import { LATENESS_INTERVAL_MS, LATENESS_TASKS, measureLateness } from "../workloads/lateness.js";
import type { PeerOrder, PeerResult } from "./peer.js";
import { postgres, redis, type ServerKind } from "./servers.js";

/** Another project's scheduler: the name of its package, and of its module in this folder. */
interface PeerKind {
  readonly name: string;
  readonly server: ServerKind;
}

/** Our pair's value and a peer's, out of the same run; `value` is the peer's. */
interface PeerFigure extends Figure {
  readonly ours: number;
  /** Ours over the peer's. */
  readonly ratio: number;
  /** `bullmq 6.7.0, Redis 7.0.15`. */
  readonly peer: string;
  /** Where a round was given up: how far it came. A lateness is then the least that it can be. */
  readonly note?: string;
}

/** What one side has measured in one round. */
type Values = Readonly<Record<string, number>>;

interface Measure {
  /** Of `Values`. */
  readonly key: string;
  /** Behind the workload's and the peer's names. */
  readonly suffix?: string;
  readonly unit: string;
  readonly goal?: string;
  readonly met?: (ratio: number) => boolean;
}

interface PeerWorkload {
  readonly name: string;
  readonly order: Pick<PeerOrder, "jobs" | "spacingMs">;
  readonly measures: readonly Measure[];
  ours(bench: Bench): Promise<Values>;
  theirs(result: PeerResult): Values;
}

const peers: readonly PeerKind[] = [
  { name: "bullmq", server: redis },
  { name: "pg-boss", server: postgres },
  { name: "graphile-worker", server: postgres },
  { name: "agenda", server: postgres },
];

const workloads: readonly PeerWorkload[] = [
  {
    name: "burst",
    order: { jobs: BURST_TASKS, spacingMs: 0 },
    measures: [{ key: "perSecond", unit: "runs/s", goal: "> 1", met: (ratio) => ratio > 1 }],
    ours: async (bench) => ({ perSecond: await measureBurst(bench) }),
    theirs: ({ done, seconds }) => ({ perSecond: done / seconds }),
  },
  {
    name: "lateness",
    order: { jobs: LATENESS_TASKS, spacingMs: LATENESS_INTERVAL_MS },
    measures: [
      { key: "p99Ms", unit: "ms, p99", goal: "<= 1/3", met: (ratio) => ratio <= 1 / 3 },
      { key: "p50Ms", suffix: " p50", unit: "ms" },
    ],
    ours: async (bench) => ({ ...(await measureLateness(bench)) }),
    theirs: ({ p50Ms, p99Ms }) => ({ p50Ms, p99Ms }),
  },
];

/** Enough to store 30,000 jobs in the slowest of them, and to start its workers. */
const LEAD_MS = 10_000;
const LIMIT_MS = 120_000;

const say = (line: string): void => console.error(line);

async function main(): Promise<number> {
  const { positionals } = parseArgs({ allowPositionals: true, options: { peers: { type: "boolean" } } });
  const [wantedWorkloads, wantedPeers] = wanted(positionals);
  const present = wantedPeers.filter(isPresent);
  if (present.length === 0)
    throw new Fault("None of the peers' servers is installed: there is nothing to compare with.");
  await build();
  const database = await startBenchDatabase();
  try {
    const bench: Bench = { serverUrl: database.url, say };
    const machine = await machineOf(database.url);
    for (const workload of wantedWorkloads) {
      for (const figure of await compare(workload, present, bench)) print(figure, machine);
    }
    return 0;
  } finally {
    await database.stop();
  }
}

/** Names of workloads and of peers, in any order; none of a sort: all of it. */
function wanted(names: readonly string[]): [readonly PeerWorkload[], readonly PeerKind[]] {
  const known = [...workloads, ...peers].map(({ name }) => name);
  const unknown = names.find((name) => !known.includes(name));
  if (unknown !== undefined) throw new Fault(`There is no workload or peer ${unknown}; there are ${known.join(", ")}.`);
  const of = <T extends { name: string }>(all: readonly T[]): readonly T[] => {
    const named = all.filter(({ name }) => names.includes(name));
    return named.length === 0 ? all : named;
  };
  return [of(workloads), of(peers)];
}

function isPresent({ name, server }: PeerKind): boolean {
  if (server.version() !== undefined) return true;
  say(`${name} is left out: there is no ${server.name} server (Debian: apt-get install ${server.debianPackage}).`);
  return false;
}

/** All by turns, ours among them, each round on empty stores and in fresh processes. */
async function compare(workload: PeerWorkload, present: readonly PeerKind[], bench: Bench): Promise<PeerFigure[]> {
  const doneOf = new Map<string, number>();
  const side = (name: string, measure: () => Promise<Values>) => async (): Promise<Values> => {
    const values = await measure();
    say(`${workload.name} ${name}: ${JSON.stringify(values)}`);
    return values;
  };
  const theirs = (peer: PeerKind) => async (): Promise<Values> => {
    const result = await measurePeer(peer, workload.order);
    doneOf.set(peer.name, Math.min(doneOf.get(peer.name) ?? Number.POSITIVE_INFINITY, result.done));
    return workload.theirs(result);
  };
  const sides: Record<string, () => Promise<Values>> = { ours: side("ours", () => workload.ours(bench)) };
  for (const peer of present) sides[peer.name] = side(peer.name, theirs(peer));
  const rounds = await alternate(sides, { warmUp: false });
  const of = (name: string, key: string): number => median((rounds[name] ?? []).map((values) => values[key] ?? 0));
  return present.flatMap((peer) =>
    workload.measures.map(({ key, suffix = "", unit, goal, met }): PeerFigure => {
      const [ours, value] = [of("ours", key), of(peer.name, key)];
      const ratio = ours / value;
      return {
        name: `${workload.name} ${peer.name}${suffix}`,
        value,
        ours,
        unit,
        ratio,
        ...(goal && met ? { goal, met: met(ratio) } : {}),
        peer: `${peer.name} ${pinnedVersion(peer.name)}, ${peer.server.name} ${peer.server.version()}`,
        ...noteOf(workload.order.jobs, doneOf.get(peer.name) ?? 0),
      };
    }),
  );
}

function noteOf(jobs: number, done: number): { note?: string } {
  return done === jobs ? {} : { note: `given up after ${LIMIT_MS / 1_000} s with ${done} of ${jobs} done` };
}

async function measurePeer({ name, server }: PeerKind, order: PeerWorkload["order"]): Promise<PeerResult> {
  const { url, stop } = await server.start();
  const child = startChild<PeerOrder, PeerResult>(`peers/${name}.ts`);
  try {
    return await child.ask({ ...order, url, leadMs: LEAD_MS, limitMs: LIMIT_MS });
  } finally {
    await child.stop();
    await stop();
  }
}

function pinnedVersion(name: string): string {
  const manifest = JSON.parse(readFileSync(new URL("package.json", import.meta.url), "utf8"));
  return manifest.dependencies[name];
}

await runMain(main);
process.exit();
