import type { Figure } from "./figure.js";

/** What every workload finds: a MariaDB server whose commits are flushed to the disk. */
export interface Bench {
  /** `mariadb://user:password@host:port/database`; the account may make databases. */
  readonly serverUrl: string;
  /** Prose, on standard error. */
  readonly say: (line: string) => void;
  /** Where the processes under test leave CPU profiles; it costs a few percent. Absent: none. */
  readonly profileDir?: string;
}

export interface Workload {
  readonly name: string;
  run(bench: Bench): Promise<Figure[]>;
}
