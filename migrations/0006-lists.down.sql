ALTER TABLE executions
  ADD KEY IF NOT EXISTS executions_time (scheduled_time, task_id),
  DROP KEY IF EXISTS executions_due,
  ALGORITHM=DEFAULT;

DROP TABLE IF EXISTS task_labels;

ALTER TABLE tasks
  DROP KEY IF EXISTS tasks_created,
  DROP KEY IF EXISTS tasks_name,
  DROP KEY IF EXISTS tasks_state,
  ALGORITHM=DEFAULT;
