-- Where this step was broken off after its last statement, it finds the column again.
ALTER TABLE executions ADD COLUMN IF NOT EXISTS end_reason VARCHAR(32) NULL DEFAULT NULL, ALGORITHM=DEFAULT;
-- A row that runs although it was withdrawn: the release before expects the fence of the claim itself.
UPDATE executions FORCE INDEX (executions_state) SET fence = fence - 1, end_reason = NULL
  WHERE state = 'RUNNING' AND end_reason IS NOT NULL;
-- The release before knows a withdrawal by the beginning of its error text.
UPDATE executions FORCE INDEX (executions_state) SET error = CONCAT('withdrawn: ', LEFT(error, 989))
  WHERE state = 'CANCELLED' AND end_reason <> 'CANCELLED_BY_USER' AND error NOT LIKE 'withdrawn: %';
ALTER TABLE executions DROP COLUMN IF EXISTS end_reason, ALGORITHM=DEFAULT;
