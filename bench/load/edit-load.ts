import { create, toBinary } from "@bufbuild/protobuf";
import { Client, credentials, Metadata } from "@grpc/grpc-js";
import { TaskSchema, TaskService, UpdateTaskRequestSchema } from "@taskscheduler/proto";
import { serve } from "../child.js";
import { markOf } from "./marks.js";

/** So many edits a second, whatever becomes of them: each of another task, in turn. */
export interface EditOrder {
  readonly grpcAddress: string;
  readonly ids: readonly number[];
  readonly edits: number;
  readonly perSecond: number;
}

const TICK_MS = 2;

/** @returns when each edit was acknowledged, epoch milliseconds */
async function edit({ grpcAddress, ids, edits, perSecond }: EditOrder): Promise<Float64Array> {
  const client = new Client(grpcAddress, credentials.createInsecure());
  const path = `/${TaskService.typeName}/${TaskService.method.updateTask.name}`;
  const asIs = (bytes: Buffer) => bytes;
  const acknowledged = new Float64Array(edits);
  const calls: Promise<void>[] = [];
  const startMs = performance.now();
  const send = (index: number): Promise<void> =>
    new Promise((resolve, reject) => {
      const task = create(TaskSchema, { id: ids[index % ids.length] ?? 0, description: markOf(index) });
      const bytes = Buffer.from(toBinary(UpdateTaskRequestSchema, create(UpdateTaskRequestSchema, { task })));
      client.makeUnaryRequest(path, asIs, asIs, bytes, new Metadata(), (error) => {
        if (error !== null) return reject(error);
        acknowledged[index] = performance.timeOrigin + performance.now();
        resolve();
      });
    });
  while (calls.length < edits) {
    const dueCount = Math.min(edits, Math.floor(((performance.now() - startMs) * perSecond) / 1_000));
    while (calls.length < dueCount) calls.push(send(calls.length));
    await new Promise((resolve) => setTimeout(resolve, TICK_MS));
  }
  await Promise.all(calls);
  client.close();
  return acknowledged;
}

serve(edit);
