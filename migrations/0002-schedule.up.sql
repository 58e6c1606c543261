-- compatible: no
-- One statement: a server that dies in it leaves the table as it was.
ALTER TABLE tasks
  ENGINE=InnoDB ROW_FORMAT=DYNAMIC,
  DEFAULT CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin,
  MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  MODIFY scheduled_time DATETIME(3) NOT NULL,
  MODIFY recurrence ENUM('ONCE','DAILY','WEEKLY','BIWEEKLY','MONTHLY','QUARTERLY','YEARLY')
    CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NULL,
  ADD COLUMN IF NOT EXISTS time_zone VARCHAR(64) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'UTC',
  ADD COLUMN IF NOT EXISTS description VARCHAR(4096) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS labels LONGTEXT CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '{}',
  ADD COLUMN IF NOT EXISTS state ENUM('ACTIVE','PAUSED','COMPLETED') CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT 'ACTIVE',
  ADD COLUMN IF NOT EXISTS pause_reason VARCHAR(1024) CHARACTER SET utf8mb4 COLLATE utf8mb4_bin NOT NULL DEFAULT '',
  ADD COLUMN IF NOT EXISTS next_run_time DATETIME(3) NULL,
  ADD COLUMN IF NOT EXISTS armed_time DATETIME(3) NOT NULL DEFAULT UTC_TIMESTAMP(3),
  ADD COLUMN IF NOT EXISTS run_count INT UNSIGNED NOT NULL DEFAULT 0,
  ADD COLUMN IF NOT EXISTS last_run_time DATETIME(3) NULL,
  ADD COLUMN IF NOT EXISTS version INT UNSIGNED NOT NULL DEFAULT 1,
  ADD COLUMN IF NOT EXISTS create_time DATETIME(3) NOT NULL DEFAULT UTC_TIMESTAMP(3),
  ADD COLUMN IF NOT EXISTS update_time DATETIME(3) NOT NULL DEFAULT UTC_TIMESTAMP(3),
  ADD KEY IF NOT EXISTS tasks_due (state, next_run_time, id),
  ALGORITHM=DEFAULT;

-- The migration catches nothing up. A task that was due once is completed. A recurring task goes on with its next
-- occurrence, counted from the first on UTC's calendar, as the original counted. TIMESTAMPDIFF counts whole steps; a
-- month's end may cost one, so the monthly updates below run twice. `id > 0` lets the updates pass under sql_safe_updates.
UPDATE tasks SET next_run_time = scheduled_time WHERE id > 0 AND scheduled_time > UTC_TIMESTAMP(3);

UPDATE tasks SET state = 'COMPLETED'
  WHERE id > 0 AND next_run_time IS NULL AND COALESCE(recurrence, 'ONCE') = 'ONCE';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(DAY, (TIMESTAMPDIFF(DAY, scheduled_time, UTC_TIMESTAMP(3)) DIV 1 + 1) * 1, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'DAILY';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(DAY, (TIMESTAMPDIFF(DAY, scheduled_time, UTC_TIMESTAMP(3)) DIV 7 + 1) * 7, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'WEEKLY';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(DAY, (TIMESTAMPDIFF(DAY, scheduled_time, UTC_TIMESTAMP(3)) DIV 14 + 1) * 14, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'BIWEEKLY';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 1 + 1) * 1, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'MONTHLY';
UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 1 + 2) * 1, scheduled_time)
  WHERE id > 0 AND next_run_time <= UTC_TIMESTAMP(3) AND recurrence = 'MONTHLY';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 3 + 1) * 3, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'QUARTERLY';
UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 3 + 2) * 3, scheduled_time)
  WHERE id > 0 AND next_run_time <= UTC_TIMESTAMP(3) AND recurrence = 'QUARTERLY';

UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 12 + 1) * 12, scheduled_time)
  WHERE id > 0 AND next_run_time IS NULL AND recurrence = 'YEARLY';
UPDATE tasks
  SET next_run_time = TIMESTAMPADD(MONTH, (TIMESTAMPDIFF(MONTH, scheduled_time, UTC_TIMESTAMP(3)) DIV 12 + 2) * 12, scheduled_time)
  WHERE id > 0 AND next_run_time <= UTC_TIMESTAMP(3) AND recurrence = 'YEARLY';
