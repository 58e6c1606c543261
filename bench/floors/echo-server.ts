import { createServer } from "node:http";
import type { AddressInfo } from "node:net";
import { create, fromBinary, toBinary } from "@bufbuild/protobuf";
import { timestampFromMs } from "@bufbuild/protobuf/wkt";
import { connectNodeAdapter } from "@connectrpc/connect-node";
import { Server, ServerCredentials } from "@grpc/grpc-js";
import {
  CreateTaskResponseSchema,
  GetTaskResponseSchema,
  type Task,
  TaskService,
  TaskState,
} from "@taskscheduler/proto";
import { serve } from "../child.js";
import { farTask } from "../load/requests.js";

/**
 * What the libraries themselves take for the same messages: bare servers that read each request and answer a whole task,
 * with no database, no rules and no policies behind them.
 */
export interface EchoPorts {
  readonly grpcAddress: string;
  readonly httpUrl: string;
}

/** The library's default is no bound at all, ours has one: it decides nothing here. */
const HOST = "127.0.0.1";

async function start(): Promise<EchoPorts> {
  const [grpcPort, httpPort] = await Promise.all([startGrpc(), startConnect()]);
  return { grpcAddress: `${HOST}:${grpcPort}`, httpUrl: `http://${HOST}:${httpPort}` };
}

const nowMs = Date.now();

/** As the API answers it. */
function answered(task: Task, id: number): Task {
  task.id = id;
  task.state = TaskState.ACTIVE;
  task.etag = `${id}-1`;
  task.nextRunTime = timestampFromMs(nowMs);
  task.createTime = timestampFromMs(nowMs);
  task.updateTime = timestampFromMs(nowMs);
  return task;
}

const getTask = ({ id }: { id: number }) =>
  create(GetTaskResponseSchema, { task: answered(farTask(`load ${id}`, nowMs), id) });
const createTask = ({ task }: { task?: Task | undefined }) =>
  create(CreateTaskResponseSchema, { task: answered(task ?? farTask("none", nowMs), 1) });

function startGrpc(): Promise<number> {
  const server = new Server();
  const asIs = (bytes: Buffer) => bytes;
  const unary = (name: "getTask" | "createTask") => {
    const { parent, name: method } = TaskService.method[name];
    const path = `/${parent.typeName}/${method}`;
    return {
      path,
      requestStream: false,
      responseStream: false,
      requestSerialize: asIs,
      requestDeserialize: asIs,
      responseSerialize: asIs,
      responseDeserialize: asIs,
    };
  };
  server.addService(
    { getTask: unary("getTask"), createTask: unary("createTask") },
    {
      getTask: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => {
        const response = getTask(fromBinary(TaskService.method.getTask.input, call.request));
        callback(null, Buffer.from(toBinary(GetTaskResponseSchema, response)));
      },
      createTask: (call: { request: Buffer }, callback: (error: null, answer: Buffer) => void) => {
        const response = createTask(fromBinary(TaskService.method.createTask.input, call.request));
        callback(null, Buffer.from(toBinary(CreateTaskResponseSchema, response)));
      },
    },
  );
  return new Promise((resolve, reject) =>
    server.bindAsync(`${HOST}:0`, ServerCredentials.createInsecure(), (error, port) =>
      error === null ? resolve(port) : reject(error),
    ),
  );
}

function startConnect(): Promise<number> {
  const routes = connectNodeAdapter({ routes: (router) => void router.service(TaskService, { getTask, createTask }) });
  const server = createServer(routes);
  return new Promise((resolve) => server.listen(0, HOST, () => resolve((server.address() as AddressInfo).port)));
}

serve(start);
