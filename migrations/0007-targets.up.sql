-- compatible: no
-- What a task calls, and how: JSON as the API wrote it; empty: a reminder, and the defaults.
ALTER TABLE tasks
  ADD COLUMN IF NOT EXISTS webhook MEDIUMTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS retry_policy VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS timeout_ms INT UNSIGNED NOT NULL DEFAULT 0,
  ALGORITHM=DEFAULT;

ALTER TABLE executions
  -- Attempts that failed, as the retry policy counts them.
  ADD COLUMN IF NOT EXISTS failures SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  -- When the next attempt is due.
  ADD COLUMN IF NOT EXISTS retry_time DATETIME(3) NULL,
  -- Its attempts as JSON, where it had more than one, or one that the row itself does not tell.
  ADD COLUMN IF NOT EXISTS attempts MEDIUMTEXT NOT NULL DEFAULT '',
  ALGORITHM=DEFAULT;

-- The RETRYING rows by their time: few, so that the index costs nothing of all the others.
CREATE TABLE IF NOT EXISTS retries (
  task_id INT NOT NULL,
  scheduled_time DATETIME(3) NOT NULL,
  retry_time DATETIME(3) NOT NULL,
  PRIMARY KEY (task_id, scheduled_time),
  KEY retries_due (retry_time, task_id, scheduled_time)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin;
