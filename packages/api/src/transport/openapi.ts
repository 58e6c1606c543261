/** The REST interface for programs: OpenAPI 3.1. Its names are the original's. */

const errorSchema = { $ref: "#/components/schemas/Error" };
const faultsSchema = { $ref: "#/components/schemas/ValidationError" };
const taskSchema = { $ref: "#/components/schemas/Task" };

const answer = (description: string, schema: object): object => ({
  description,
  content: { "application/json": { schema } },
});
const body = (name: string): object => ({
  required: true,
  content: { "application/json": { schema: { $ref: `#/components/schemas/${name}` } } },
});

const missing = { "404": answer("There is no such task.", errorSchema) };
const nameTaken = { "409": answer("Another task has this name.", errorSchema) };
const tooLarge = { "413": answer("The body is larger than 1 MiB.", errorSchema) };
const faulty = { "422": answer("The request has faults; each is named.", faultsSchema) };
const tooMany = { "429": answer("Too much is under way; try again after a pause.", errorSchema) };
const unavailable = { ...tooMany, "503": answer("The database cannot be reached; try again.", errorSchema) };

const taskId = {
  name: "task_id",
  in: "path",
  required: true,
  description: "The task's id.",
  schema: { type: "integer", minimum: 1 },
};

const name = { type: "string", minLength: 1, maxLength: 255, description: "Unique, byte for byte." };
const scheduledTime = {
  type: "string",
  format: "date-time",
  description: "ISO 8601. With an offset, that instant; without one, UTC.",
  examples: ["2030-04-20T10:00:00"],
};
const recurrence = {
  anyOf: [{ $ref: "#/components/schemas/Recurrence" }, { type: "null" }],
  description: "How the task repeats. null: it runs once.",
};

export const openApi = {
  openapi: "3.1.0",
  info: {
    title: "Task Scheduler API",
    version: "1",
    description:
      "Schedules tasks to run at a time, once or again and again. The same tasks, with all that they can be, are served over gRPC, gRPC-Web and Connect.",
  },
  paths: {
    "/api/tasks/": {
      get: {
        operationId: "listTasks",
        summary: "List tasks",
        tags: ["tasks"],
        parameters: [
          {
            name: "skip",
            in: "query",
            schema: { type: "integer", minimum: 0, default: 0 },
            description: "Leaves out this many.",
          },
          {
            name: "limit",
            in: "query",
            schema: { type: "integer", minimum: 0, maximum: 1000, default: 100 },
            description: "Answers at most this many.",
          },
        ],
        responses: {
          "200": answer("The tasks, by their ids.", { type: "array", items: taskSchema }),
          ...faulty,
          ...unavailable,
        },
      },
      post: {
        operationId: "createTask",
        summary: "Create a task",
        tags: ["tasks"],
        requestBody: body("TaskCreate"),
        responses: { "200": answer("The task.", taskSchema), ...nameTaken, ...tooLarge, ...faulty, ...unavailable },
      },
    },
    "/api/tasks/{task_id}": {
      parameters: [taskId],
      get: {
        operationId: "getTask",
        summary: "Read a task",
        tags: ["tasks"],
        responses: { "200": answer("The task.", taskSchema), ...missing, ...faulty, ...unavailable },
      },
      put: {
        operationId: "updateTask",
        summary: "Change a task",
        description: "Changes the fields that are given, and leaves the rest.",
        tags: ["tasks"],
        requestBody: body("TaskUpdate"),
        responses: {
          "200": answer("The task as it is now.", taskSchema),
          ...missing,
          ...nameTaken,
          ...tooLarge,
          ...faulty,
          ...unavailable,
        },
      },
      delete: {
        operationId: "deleteTask",
        summary: "Delete a task",
        tags: ["tasks"],
        responses: { "204": { description: "The task is gone." }, ...missing, ...faulty, ...unavailable },
      },
    },
  },
  components: {
    schemas: {
      Task: {
        type: "object",
        required: ["name", "scheduled_time", "recurrence", "id"],
        properties: {
          name,
          scheduled_time: {
            type: "string",
            description: "UTC, with a fraction only where there is one.",
            examples: ["2030-04-20T10:00:00"],
          },
          recurrence,
          id: { type: "integer", minimum: 1 },
        },
      },
      TaskCreate: {
        type: "object",
        required: ["name", "scheduled_time"],
        properties: {
          name,
          scheduled_time: { ...scheduledTime, description: `${scheduledTime.description} In the future.` },
          recurrence,
        },
      },
      TaskUpdate: { type: "object", properties: { name, scheduled_time: scheduledTime, recurrence } },
      Recurrence: {
        type: "string",
        enum: ["once", "daily", "weekly", "biweekly", "monthly", "quarterly", "yearly"],
      },
      Error: { type: "object", required: ["detail"], properties: { detail: { type: "string" } } },
      ValidationError: {
        type: "object",
        required: ["detail"],
        properties: { detail: { type: "array", items: { $ref: "#/components/schemas/Fault" } } },
      },
      Fault: {
        type: "object",
        required: ["loc", "msg", "type"],
        properties: {
          loc: {
            type: "array",
            items: { anyOf: [{ type: "string" }, { type: "integer" }] },
            description: "`path`, `query` or `body`, then the field.",
          },
          msg: { type: "string" },
          type: { type: "string" },
        },
      },
    },
  },
};
