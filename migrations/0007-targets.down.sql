-- The release before knows no retries: what waits for one has failed.
UPDATE executions SET state = 'FAILED', end_time = COALESCE(end_time, UTC_TIMESTAMP(3)) WHERE state = 'RETRYING';
DROP TABLE IF EXISTS retries;
ALTER TABLE executions DROP COLUMN IF EXISTS failures, DROP COLUMN IF EXISTS retry_time, DROP COLUMN IF EXISTS attempts;
ALTER TABLE tasks DROP COLUMN IF EXISTS webhook, DROP COLUMN IF EXISTS retry_policy, DROP COLUMN IF EXISTS timeout_ms;
