import { cpus, loadavg } from "node:os";

/** What a workload has measured: its own value beside that of its floor, both out of the same run. */
export interface Figure {
  readonly name: string;
  readonly value: number;
  readonly unit: string;
  /** What the machine itself gives for the same work, in the same unit; absent where there is nothing to compare with. */
  readonly floor?: number;
  /** The project's throughput over the floor's, unless the workload says otherwise. */
  readonly ratio?: number;
  /** What the ratio (or the value, where there is none) is to be. */
  readonly goal?: string;
  readonly met?: boolean;
}

export interface Machine {
  readonly node: string;
  readonly mariadb: string;
  readonly cores: number;
}

/** One JSON line, on standard output. The load is the machine's of the last minute, the bench's own included. */
export function print(figure: Figure, machine: Machine): void {
  const rounded = Object.entries(figure).map(([key, value]) => [key, typeof value === "number" ? round(value) : value]);
  const line = { ...Object.fromEntries(rounded), ...machine, load: round(loadavg()[0] ?? 0) };
  process.stdout.write(`${JSON.stringify(line)}\n`);
}

export function cores(): number {
  return cpus().length;
}

/** To four digits. */
function round(value: number): number {
  return Number(value.toPrecision(4));
}
