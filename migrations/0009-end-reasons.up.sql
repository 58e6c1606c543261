-- compatible: no
-- Why an execution ended without a run. NULL: it ran, or has not ended. The last column, with a default, so that the server
-- adds it without a copy of the table.
ALTER TABLE executions
  ADD COLUMN IF NOT EXISTS end_reason ENUM('CANCELLED_BY_USER','SCHEDULE_CHANGED','TARGET_CHANGED','TARGET_REMOVED',
    'TASK_PAUSED','TASK_DELETED','SCHEDULER_LOST','TOO_LATE','NOT_RUN_IN_TIME','OVERLAP') NULL DEFAULT NULL,
  ALGORITHM=DEFAULT;

-- The error texts of the release before say the reason of the rows that are there. Nothing else reads them any more.
UPDATE executions FORCE INDEX (executions_state) SET end_reason = CASE
    WHEN error = 'withdrawn: the target was changed' THEN 'TARGET_CHANGED'
    WHEN error = 'withdrawn: the task calls nothing any more' THEN 'TARGET_REMOVED'
    WHEN error = 'withdrawn: the task was paused' THEN 'TASK_PAUSED'
    WHEN error = 'withdrawn: the task was deleted' THEN 'TASK_DELETED'
    WHEN error LIKE 'withdrawn: %' THEN 'SCHEDULE_CHANGED'
    ELSE 'CANCELLED_BY_USER'
  END
  WHERE state = 'CANCELLED' AND end_reason IS NULL;

UPDATE executions FORCE INDEX (executions_state) SET end_reason = CASE
    WHEN error = 'nothing had run it when the schedule was changed' THEN 'SCHEDULE_CHANGED'
    WHEN error = 'nothing had run it when the task was deleted' THEN 'TASK_DELETED'
    WHEN error LIKE 'its scheduler died, %' THEN 'SCHEDULER_LOST'
    WHEN error LIKE 'it was handed back, %' THEN 'TOO_LATE'
    ELSE 'NOT_RUN_IN_TIME'
  END
  WHERE state = 'MISSED' AND end_reason IS NULL;
