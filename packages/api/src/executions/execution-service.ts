import type { ServiceImpl } from "@connectrpc/connect";
import { parseExecutionId, ServiceError } from "@taskscheduler/domain";
import type { ExecutionService } from "@taskscheduler/proto";
import type { ChangeLog } from "../changes/change-log.js";
import type { Database } from "../database/database.js";
import { executionToProto } from "./execution-mapper.js";
import type { ExecutionQueries } from "./execution-query-store.js";
import { watchExecutions } from "./execution-watch.js";

export interface ExecutionServiceParts {
  readonly database: Database;
  readonly queries: ExecutionQueries;
  readonly log: ChangeLog;
}

/** Methods that are left out answer UNIMPLEMENTED. */
export function createExecutionService(parts: ExecutionServiceParts): Partial<ServiceImpl<typeof ExecutionService>> {
  const { queries } = parts;
  return {
    async getExecution({ id }) {
      const key = parseExecutionId(id);
      const row = key === undefined ? undefined : await queries.get(key);
      if (row === undefined)
        throw new ServiceError("EXECUTION_NOT_FOUND", `there is no execution ${JSON.stringify(id)}`);
      return { execution: executionToProto(row) };
    },
    async listExecutions(request, { signal }) {
      const page = await queries.list(request, signal);
      return {
        executions: page.executions.map(executionToProto),
        nextPageToken: page.nextPageToken,
        totalSize: page.totalSize,
      };
    },
    watchExecutions: (request, context) => watchExecutions(parts.database, parts.log, request, context.signal),
  };
}
