-- The release before knows no retries: what waits for one has failed.
UPDATE executions SET state = 'FAILED', end_time = COALESCE(end_time, UTC_TIMESTAMP(3)) WHERE state = 'RETRYING';
UPDATE tasks SET state = 'COMPLETED'
  WHERE state = 'ACTIVE' AND next_run_time IS NULL AND NOT EXISTS (
    SELECT 1 FROM executions WHERE task_id = tasks.id AND state IN ('PENDING', 'CLAIMED', 'RUNNING'));
DROP TABLE IF EXISTS retries;
ALTER TABLE executions DROP COLUMN IF EXISTS failures, DROP COLUMN IF EXISTS retry_time, DROP COLUMN IF EXISTS attempts, ALGORITHM=DEFAULT;
ALTER TABLE tasks DROP COLUMN IF EXISTS webhook, DROP COLUMN IF EXISTS retry_policy, DROP COLUMN IF EXISTS timeout_ms, ALGORITHM=DEFAULT;
