import type { IncomingMessage, ServerResponse } from "node:http";
import {
  create,
  type DescMessage,
  type DescMethodUnary,
  type MessageInitShape,
  type MessageShape,
} from "@bufbuild/protobuf";
import { createHandlerContext, type HandlerContext, type ServiceImpl } from "@connectrpc/connect";
import { type Task, TaskService } from "@taskscheduler/proto";
import type { Logger } from "@taskscheduler/runtime";
import { callErrorOf } from "../policies/call-errors.js";
import { type HttpAnswer, jsonAnswer, methodNotAllowed, send } from "./http-answer.js";
import { readRestBody } from "./rest-body.js";
import { errorAnswer, faultsAnswer } from "./rest-error.js";
import type { RestFault } from "./rest-fault.js";
import { parseInteger, parseIntegerBetween } from "./rest-integer.js";
import { type RestTaskInput, restTaskOf, taskToCreate, taskToUpdate } from "./rest-task.js";

/** What ListTasks, which pages by tokens, cannot do. */
export interface RestTasks {
  /** Tasks in the order of their ids; with the policies of a call of ListTasks. */
  page(skip: number, limit: number, context: HandlerContext): Promise<readonly Task[]>;
}

export interface RestOptions extends RestTasks {
  /** With its policies. */
  readonly tasks: ServiceImpl<typeof TaskService>;
  /** What a new task must be later than; default: this machine's clock. */
  readonly nowMs: () => number;
  readonly logger: Logger;
}

type Route = (request: IncomingMessage, context: ContextOf) => Promise<HttpAnswer>;
type ContextOf = (method: HandlerContext["method"]) => HandlerContext;
type Routes = Readonly<Record<string, Route>>;

const defaultLimit = 100;
const maxLimit = 1000;
/** No id is larger: it is a proto's uint32. */
const maxId = 2 ** 32 - 1;
const taskPath = /^\/api\/tasks\/([^/]+)\/?$/;
const taskNotFound = jsonAnswer(404, { detail: "Task not found" });
const bodyTooLarge = jsonAnswer(413, { detail: "The request body is larger than 1 MiB" });

/**
 * The original's interface under `/api/tasks/`, for its scripts: its six routes are calls of `TaskService`.
 * Returns false, and touches nothing, when the path is another.
 */
export function createRest(
  options: RestOptions,
): (request: IncomingMessage, response: ServerResponse, path: string) => boolean {
  const collection = collectionRoutes(options);
  return (request, response, path) => {
    const routes = path === "/api/tasks" || path === "/api/tasks/" ? collection : taskRoutes(path, options);
    if (routes === undefined) return false;
    const route = routes[request.method === "HEAD" ? "GET" : (request.method ?? "")];
    if (route === undefined) {
      send(response, methodNotAllowed(["HEAD", ...Object.keys(routes)].join(", ")));
    } else {
      void run(route, request, response, options.logger);
    }
    return true;
  };
}

async function run(route: Route, request: IncomingMessage, response: ServerResponse, logger: Logger): Promise<void> {
  const gone = new AbortController();
  response.once("close", () => gone.abort());
  const contextOf: ContextOf = (method) =>
    createHandlerContext({
      service: TaskService,
      method,
      protocolName: "rest",
      requestMethod: request.method ?? "",
      url: request.url ?? "",
      requestSignal: gone.signal,
      requestHeader: requestIdHeader(request),
    });
  try {
    send(response, await route(request, contextOf));
  } catch (error) {
    // The client has gone in the middle of its request.
    if (request.destroyed && !request.complete) return;
    const call = { signal: gone.signal, requestHeader: new Headers(requestIdHeader(request)) };
    if (!response.headersSent) send(response, errorAnswer(callErrorOf(error, call, logger)));
  }
}

function collectionRoutes({ tasks, page, nowMs }: RestOptions): Routes {
  return {
    GET: async (request, contextOf) => {
      const query = new URLSearchParams((request.url ?? "").split("?").slice(1).join("?"));
      const skip = parseIntegerBetween(query.getAll("skip").at(-1) ?? "0", 0, Number.MAX_SAFE_INTEGER);
      const limit = parseIntegerBetween(query.getAll("limit").at(-1) ?? String(defaultLimit), 0, maxLimit);
      if ("value" in skip && "value" in limit) {
        const found =
          limit.value === 0 ? [] : await page(skip.value, limit.value, contextOf(TaskService.method.listTasks));
        return jsonAnswer(200, found.map(restTaskOf));
      }
      const faults = Object.entries({ skip, limit }).flatMap(([name, parsed]): RestFault[] =>
        "fault" in parsed ? [{ loc: ["query", name], ...parsed.fault }] : [],
      );
      return faultsAnswer(faults);
    },
    POST: async (request, contextOf) => {
      const input = await readInput(request, (body) => taskToCreate(body, nowMs()));
      if (input === undefined) return bodyTooLarge;
      if (input.faults.length > 0) return faultsAnswer(input.faults);
      const { createTask } = TaskService.method;
      const response = await call(createTask, tasks.createTask, { task: input.task }, contextOf);
      return taskAnswer(response.task);
    },
  };
}

function taskRoutes(path: string, { tasks }: RestOptions): Routes | undefined {
  const idText = taskPath.exec(path)?.[1];
  if (idText === undefined) return undefined;
  const parsed = parseInteger(decode(idText));
  const idFaults = "fault" in parsed ? [{ loc: ["path", "task_id"], ...parsed.fault }] : [];
  const id = "value" in parsed ? parsed.value : 0;
  const isPossible = id > 0 && id <= maxId;
  const { getTask, updateTask, deleteTask } = TaskService.method;
  return {
    GET: async (_request, contextOf) => {
      if (idFaults.length > 0) return faultsAnswer(idFaults);
      if (!isPossible) return taskNotFound;
      return taskAnswer((await call(getTask, tasks.getTask, { id }, contextOf)).task);
    },
    PUT: async (request, contextOf) => {
      const input = await readInput(request, taskToUpdate);
      if (input === undefined) return bodyTooLarge;
      const faults = [...idFaults, ...input.faults];
      if (faults.length > 0) return faultsAnswer(faults);
      if (!isPossible) return taskNotFound;
      // An empty mask would mean the fields that are set.
      if (input.given.length === 0) return taskAnswer((await call(getTask, tasks.getTask, { id }, contextOf)).task);
      const update = { task: { ...input.task, id }, updateMask: { paths: [...input.given] } };
      return taskAnswer((await call(updateTask, tasks.updateTask, update, contextOf)).task);
    },
    DELETE: async (_request, contextOf) => {
      if (idFaults.length > 0) return faultsAnswer(idFaults);
      if (!isPossible) return taskNotFound;
      await call(deleteTask, tasks.deleteTask, { id }, contextOf);
      return { status: 204 };
    },
  };
}

/** Calls a method of the service in this process, as a transport would. */
async function call<I extends DescMessage, O extends DescMessage>(
  method: DescMethodUnary<I, O>,
  impl: (request: MessageShape<I>, context: HandlerContext) => Promise<MessageInitShape<O>> | MessageInitShape<O>,
  request: MessageInitShape<I>,
  contextOf: ContextOf,
): Promise<MessageShape<O>> {
  return create(method.output, await impl(create(method.input, request), contextOf(method)));
}

/** Undefined: the body is too large. */
async function readInput(
  request: IncomingMessage,
  parse: (body: unknown) => RestTaskInput,
): Promise<RestTaskInput | undefined> {
  const body = await readRestBody(request);
  if (body.kind === "too large") {
    // A client that is still sending would not read the answer.
    request.resume();
    return undefined;
  }
  const input = parse(body.kind === "json" ? body.value : {});
  return body.kind === "json" ? input : { ...input, faults: [body.fault] };
}

function taskAnswer(task: Task | undefined): HttpAnswer {
  return task === undefined ? taskNotFound : jsonAnswer(200, restTaskOf(task));
}

function requestIdHeader(request: IncomingMessage): Record<string, string> {
  const id = request.headers["x-request-id"];
  return typeof id === "string" ? { "x-request-id": id } : {};
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}
