export { file_google_api_field_behavior } from "./gen/google/api/field_behavior_pb.js";
export { Code } from "./gen/google/rpc/code_pb.js";
export {
  type BadRequest,
  BadRequestSchema,
  type ErrorInfo,
  ErrorInfoSchema,
  file_google_rpc_error_details,
} from "./gen/google/rpc/error_details_pb.js";
export { type Status, StatusSchema } from "./gen/google/rpc/status_pb.js";
export { file_grpc_health_v1_health, Health } from "./gen/grpc/health/v1/health_pb.js";
export * from "./gen/taskscheduler/v1/change_log_pb.js";
export * from "./gen/taskscheduler/v1/execution_pb.js";
export * from "./gen/taskscheduler/v1/execution_service_pb.js";
export * from "./gen/taskscheduler/v1/scheduler_service_pb.js";
export * from "./gen/taskscheduler/v1/task_pb.js";
export * from "./gen/taskscheduler/v1/task_service_pb.js";
