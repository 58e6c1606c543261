/** A MariaDB server that this process started, on 127.0.0.1, every commit flushed. */
export interface PrivateServer {
  /** `mariadb://user:password@127.0.0.1:port/database`; the account may do anything. Stays the same over restarts. */
  readonly url: string;
  readonly port: number;
  readonly dataDir: string;
  /** The Unix socket's path. */
  readonly socket: string;
  /** The process id of the current run. */
  readonly pid: number;
  /** Settles when the current run ends, however it ends. */
  readonly exited: Promise<{ code: number | null; signal: string | null }>;
  /** kill -9; resolves when the process is gone. */
  kill(): Promise<void>;
  /** Starts it again on the same data and port; resolves when it takes connections. Does nothing while it runs. */
  start(): Promise<void>;
  /** SIGTERM, thirty seconds, SIGKILL; removes temporary folders. Called twice, it does it once. */
  stop(): Promise<void>;
}

export interface PrivateServerOptions {
  /** Initialised where it is not there, kept at the end. Default: a fresh temporary folder, removed by `stop`. */
  dataDir?: string;
  /** Default: a free one. */
  port?: number;
  /** Created where it is missing. Default: `taskscheduler`. */
  database?: string;
  /** Further arguments of mariadbd; the last one of a name counts. */
  extraArgs?: readonly string[];
}

export interface Database {
  readonly url: string;
  /** Undefined where the database is not ours (DATABASE_URL). */
  readonly server: PrivateServer | undefined;
  /** Ends what was started, and nothing else. */
  stop(): Promise<void>;
}

export interface FindOptions {
  /** `start` keeps its data under dataDir; the others get a fresh temporary folder. */
  purpose: "start" | "test" | "bench";
  dataDir?: string;
  extraArgs?: readonly string[];
  log?: (line: string) => void;
}

export function startPrivateServer(options?: PrivateServerOptions): Promise<PrivateServer>;
export function findOrStartMariaDb(options: FindOptions): Promise<Database>;
export function ensureMariaDbInstalled(options?: { log?: (line: string) => void }): Promise<void>;
