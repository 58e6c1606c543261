import {
  type DescMessage,
  fromBinary,
  fromJsonString,
  type MessageInitShape,
  type MessageShape,
  toJsonString,
} from "@bufbuild/protobuf";
import { anyUnpack, type Timestamp, TimestampSchema } from "@bufbuild/protobuf/wkt";
import { type Client, Code, ConnectError } from "@connectrpc/connect";
import type { ServiceError as GrpcError } from "@grpc/grpc-js";
import {
  BadRequestSchema,
  ErrorInfoSchema,
  ExecutionService,
  StatusSchema,
  type Task,
  TaskService,
} from "@taskscheduler/proto";
import { createConnection } from "mariadb";
import { connectClient, grpcClient, grpcWebClient } from "../setup/clients.js";
import { eventually } from "../setup/eventually.js";
import { type ApiProcess, killAll, startApi } from "../setup/processes.js";
import { createTestDatabase, type TestDatabase } from "../setup/test-database.js";

/** One API process on a database of its own, and the four ways in: what holds for one must hold for each. */
export interface ApiFixture {
  readonly api: ApiProcess;
  readonly database: TestDatabase;
  readonly clients: ApiClients;
  /** For what is no matter of protocol. */
  readonly client: ApiClient;
  /** Asks the database; DATETIMEs come as text in UTC. */
  query(sql: string, values?: readonly unknown[]): Promise<Record<string, unknown>[]>;
  stop(): Promise<void>;
}

export const CLIENTS = ["gRPC", "Connect, JSON", "Connect, binary", "gRPC-Web"] as const;
export type ClientName = (typeof CLIENTS)[number];

type TaskMethods = typeof TaskService.method;
type ExecutionMethods = typeof ExecutionService.method;
type Methods = TaskMethods & ExecutionMethods;
type Input<N extends keyof Methods> = MessageInitShape<Methods[N]["input"]>;
type Output<N extends keyof Methods> = MessageShape<Methods[N]["output"]>;
type StreamName = "watchTasks" | "watchExecutions";
export type UnaryName = Exclude<keyof Methods, StreamName>;

/** Methods of both services by their names; they share none. */
export interface ApiClient {
  call<N extends UnaryName>(method: N, request: Input<N>): Promise<Output<N>>;
  watch<N extends StreamName>(method: N, request?: Input<N>): Watch<Output<N>>;
}

export interface ApiClients extends Readonly<Record<ClientName, ApiClient>> {
  close(): void;
}

/** A task's fields, as a request may give them. */
export type TaskInit = Partial<Omit<Task, "$typeName" | "$unknown">>;

/** A stream that is read all along, into `events`. */
export interface Watch<E> {
  readonly events: readonly E[];
  /** How it ended; code `OK` for an end without an error. */
  readonly ended: Promise<Fault>;
  /** Resolves with what `find` finds in the events so far, as soon as it finds something. */
  until<T>(what: string, find: (events: readonly E[]) => T, timeoutMs?: number): ReturnType<typeof eventually<T>>;
  cancel(): void;
}

/** An error as any caller can read it. */
export interface Fault {
  /** As `google.rpc.Code` spells it. */
  readonly code: string;
  readonly message: string;
  readonly reason: string;
  readonly domain: string;
  /** Of BadRequest, sorted. */
  readonly fields: readonly string[];
  readonly descriptions: readonly string[];
}

export async function startApiFixture(env: Readonly<Record<string, string>> = {}): Promise<ApiFixture> {
  const database = await createTestDatabase();
  const api = await startApi({ databaseUrl: database.url, env });
  await api.ready();
  const clients = clientsOf(api);
  return {
    api,
    database,
    clients,
    client: clients.gRPC,
    query: (sql, values) => query(database.url, sql, values),
    async stop() {
      clients.close();
      await api.stop();
      await killAll();
      await database.drop();
    },
  };
}

export function clientsOf(api: Pick<ApiProcess, "grpcAddress" | "httpUrl">): ApiClients {
  const grpcTasks = grpcClient(TaskService, api.grpcAddress);
  const grpcExecutions = grpcClient(ExecutionService, api.grpcAddress);
  const grpcOf = (method: string) => (method in TaskService.method ? grpcTasks : grpcExecutions) as typeof grpcTasks;
  return {
    gRPC: {
      call: (method, request) => grpcOf(method).unary(method as "getTask", request as never) as never,
      watch(method, request = {} as never) {
        const stream = grpcOf(method).stream(method as "watchTasks", request as never);
        return watchOf(stream as AsyncIterable<never>, () => stream.cancel());
      },
    },
    "Connect, JSON": connectLike((service) => connectClient(service, api.httpUrl)),
    "Connect, binary": connectLike((service) => connectClient(service, api.httpUrl, true)),
    "gRPC-Web": connectLike((service) => grpcWebClient(service, api.httpUrl)),
    close() {
      grpcTasks.close();
      grpcExecutions.close();
    },
  };
}

function connectLike(clientOf: <S extends typeof TaskService>(service: S) => Client<S>): ApiClient {
  const clients = { ...clientOf(TaskService), ...clientOf(ExecutionService as unknown as typeof TaskService) };
  const methods = clients as unknown as Record<string, (request: unknown, options?: object) => never>;
  const methodOf = (name: string) => {
    const method = methods[name];
    if (method === undefined) throw new Error(`no method ${name}`);
    return method;
  };
  return {
    call: (method, request) => methodOf(method)(request),
    watch(method, request = {} as never) {
      const controller = new AbortController();
      return watchOf(methodOf(method)(request, { signal: controller.signal }), () => controller.abort());
    },
  };
}

function watchOf<E>(stream: AsyncIterable<E>, cancel: () => void): Watch<E> {
  const events: E[] = [];
  const read = async (): Promise<Fault> => {
    try {
      for await (const event of stream) events.push(event);
      return { code: "OK", message: "", reason: "", domain: "", fields: [], descriptions: [] };
    } catch (error) {
      return readFault(error);
    }
  };
  return {
    events,
    ended: read(),
    until: (what, find, timeoutMs) => eventually(what, () => find(events), timeoutMs),
    cancel,
  };
}

/** `2030-01-31T09:30:00Z` as a Timestamp, with up to nine digits of a second's fraction. */
export function at(text: string): Timestamp {
  return fromJsonString(TimestampSchema, JSON.stringify(text));
}

/** A Timestamp as text, with as many digits as it needs. */
export function textOf(time: Timestamp | undefined): string | undefined {
  return time === undefined ? undefined : JSON.parse(toJsonString(TimestampSchema, time));
}

export interface Page<T> {
  readonly items: readonly T[];
  readonly nextPageToken: string;
}

/** All pages of a list, one after the other; `between` runs before each but the first. */
export async function walkPages<T>(
  page: (pageToken: string) => Promise<Page<T>>,
  between: (items: readonly T[]) => Promise<unknown> = async () => {},
): Promise<T[]> {
  const items: T[] = [];
  for (let pageToken = ""; ; ) {
    const answer = await page(pageToken);
    items.push(...answer.items);
    if (answer.nextPageToken === "") return items;
    if (answer.items.length === 0) throw new Error("an empty page before the last");
    await between(answer.items);
    pageToken = answer.nextPageToken;
  }
}

export function millisOf(time: Timestamp | undefined): number {
  return time === undefined ? Number.NEGATIVE_INFINITY : Number(time.seconds) * 1000 + time.nanos / 1e6;
}

/** The error that a call ends with; fails when it succeeds. */
export function faultOf(call: Promise<unknown>): Promise<Fault> {
  return call.then((answer) => {
    throw new Error(`it succeeded: ${JSON.stringify(answer, (_, v) => (typeof v === "bigint" ? `${v}` : v))}`);
  }, readFault);
}

function readFault(error: unknown): Fault {
  return error instanceof Error && "metadata" in error && !(error instanceof ConnectError)
    ? grpcFault(error as GrpcError)
    : connectFault(ConnectError.from(error));
}

function connectFault(error: ConnectError): Fault {
  const code = Code[error.code].replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase();
  return fault(code === "CANCELED" ? "CANCELLED" : code, error.rawMessage, (schema) => error.findDetails(schema));
}

function grpcFault(error: GrpcError): Fault {
  const [bytes] = error.metadata.get("grpc-status-details-bin");
  const details = bytes === undefined ? [] : fromBinary(StatusSchema, bytes as Buffer).details;
  const code = Code[error.code]?.replace(/(?<=[a-z])[A-Z]/g, "_$&").toUpperCase() ?? String(error.code);
  return fault(code === "CANCELED" ? "CANCELLED" : code, error.details, (schema) =>
    details.flatMap((any) => anyUnpack(any, schema) ?? []),
  );
}

function fault(code: string, message: string, find: <D extends DescMessage>(schema: D) => MessageShape<D>[]): Fault {
  const [info] = find(ErrorInfoSchema);
  const violations = find(BadRequestSchema).flatMap((detail) => detail.fieldViolations);
  return {
    code,
    message,
    reason: info?.reason ?? "",
    domain: info?.domain ?? "",
    fields: violations.map(({ field }) => field).sort(),
    descriptions: violations.map(({ description }) => description),
  };
}

async function query(
  databaseUrl: string,
  sql: string,
  values: readonly unknown[] = [],
): Promise<Record<string, unknown>[]> {
  const { hostname, port, username, password, pathname } = new URL(databaseUrl);
  const connection = await createConnection({
    host: hostname,
    port: Number(port),
    user: username,
    password: decodeURIComponent(password),
    database: pathname.slice(1),
    dateStrings: true,
    bigIntAsNumber: true,
    collation: "utf8mb4_nopad_bin",
  });
  try {
    const rows: Record<string, unknown>[] = await connection.query(sql, [...values]);
    return Array.isArray(rows) ? [...rows] : [];
  } finally {
    await connection.end();
  }
}
