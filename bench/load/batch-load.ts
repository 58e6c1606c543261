import { fromBinary, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { BatchCreateTasksRequestSchema, BatchCreateTasksResponseSchema, TaskService } from "@taskscheduler/proto";
import { serve } from "../child.js";
import { farTask } from "./requests.js";

/** `BatchCreateTasks`, so many calls, two at a time. */
export interface BatchOrder {
  readonly grpcAddress: string;
  /** Of the tasks' names. */
  readonly prefix: string;
  readonly calls: number;
  readonly tasksPerCall: number;
}

const IN_FLIGHT = 2;
const MAX_MESSAGE_BYTES = 64 * 1024 * 1024;

/** @returns the seconds that the calls took; requests are made before, answers are read after */
async function load({ grpcAddress, prefix, calls, tasksPerCall }: BatchOrder): Promise<number> {
  const dueMs = Date.now() + 365 * 86_400_000;
  const requests = Array.from({ length: calls }, (_, call) => {
    const tasks = Array.from({ length: tasksPerCall }, (_, index) => farTask(`${prefix} ${call}.${index}`, dueMs));
    const message = {
      $typeName: "taskscheduler.v1.BatchCreateTasksRequest",
      tasks,
      requestId: "",
      validateOnly: false,
    };
    return Buffer.from(toBinary(BatchCreateTasksRequestSchema, message as never));
  });
  const client = new Client(grpcAddress, credentials.createInsecure(), {
    "grpc.max_receive_message_length": MAX_MESSAGE_BYTES,
  });
  const path = `/${TaskService.typeName}/${TaskService.method.batchCreateTasks.name}`;
  const asIs = (bytes: Buffer) => bytes;
  const answers: Buffer[] = [];
  const startMs = performance.now();
  const loop = async (): Promise<void> => {
    for (let request = requests.pop(); request !== undefined; request = requests.pop()) {
      const bytes = request;
      const answer = await new Promise<Buffer>((resolve, reject) => {
        client.makeUnaryRequest(path, asIs, asIs, bytes, new Metadata(), (error, value) =>
          error === null && value !== undefined ? resolve(value) : reject(error),
        );
      });
      answers.push(answer);
    }
  };
  await Promise.all(Array.from({ length: IN_FLIGHT }, loop));
  const seconds = (performance.now() - startMs) / 1_000;
  client.close();
  for (const answer of answers) {
    const { results } = fromBinary(BatchCreateTasksResponseSchema, answer);
    if (results.filter(({ result }) => result.case === "task").length !== tasksPerCall)
      throw new Error("a task was refused");
  }
  return seconds;
}

serve(load);
