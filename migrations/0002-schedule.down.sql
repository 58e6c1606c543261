-- Back to the original's four columns; names and times stay.
ALTER TABLE tasks
  DROP KEY IF EXISTS tasks_due,
  DROP COLUMN IF EXISTS time_zone,
  DROP COLUMN IF EXISTS description,
  DROP COLUMN IF EXISTS labels,
  DROP COLUMN IF EXISTS state,
  DROP COLUMN IF EXISTS pause_reason,
  DROP COLUMN IF EXISTS next_run_time,
  DROP COLUMN IF EXISTS armed_time,
  DROP COLUMN IF EXISTS run_count,
  DROP COLUMN IF EXISTS last_run_time,
  DROP COLUMN IF EXISTS version,
  DROP COLUMN IF EXISTS create_time,
  DROP COLUMN IF EXISTS update_time,
  MODIFY scheduled_time DATETIME NOT NULL,
  ALGORITHM=DEFAULT;
