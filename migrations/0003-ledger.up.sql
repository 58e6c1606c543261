-- compatible: no
-- The ledger: one row for a task and a scheduled time. No foreign key: it outlives its tasks.
CREATE TABLE IF NOT EXISTS executions (
  task_id INT NOT NULL,
  scheduled_time DATETIME(3) NOT NULL,
  task_name VARCHAR(255) COLLATE utf8mb4_nopad_bin NOT NULL,
  trigger_kind ENUM('SCHEDULE','MANUAL','CATCH_UP','BACKFILL') NOT NULL,
  state ENUM('PENDING','CLAIMED','RUNNING','RETRYING','SUCCEEDED','FAILED','CANCELLED','MISSED','SKIPPED') NOT NULL,
  attempt INT UNSIGNED NOT NULL DEFAULT 0,
  -- Every grant, take-over and withdrawal raises it; a report must name the one it ran under.
  fence INT UNSIGNED NOT NULL DEFAULT 0,
  -- Who holds or held the claim.
  incarnation INT UNSIGNED NULL,
  scheduler_id VARCHAR(255) COLLATE utf8mb4_nopad_bin NOT NULL DEFAULT '',
  claim_time DATETIME(3) NULL,
  start_time DATETIME(3) NULL,
  end_time DATETIME(3) NULL,
  error VARCHAR(1000) NOT NULL DEFAULT '',
  http_status SMALLINT UNSIGNED NOT NULL DEFAULT 0,
  missed_count INT UNSIGNED NOT NULL DEFAULT 0,
  missed_until DATETIME(3) NULL,
  PRIMARY KEY (task_id, scheduled_time),
  KEY executions_state (state, task_id, scheduled_time),
  KEY executions_time (scheduled_time, task_id)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;

-- Live schedulers. An incarnation is one registration of one process; its beat is a counter, so that no clocks are compared.
CREATE TABLE IF NOT EXISTS schedulers (
  incarnation INT UNSIGNED AUTO_INCREMENT PRIMARY KEY,
  scheduler_id VARCHAR(255) COLLATE utf8mb4_nopad_bin NOT NULL,
  state ENUM('LIVE','DRAINING','ENDED') NOT NULL DEFAULT 'LIVE',
  beat BIGINT UNSIGNED NOT NULL DEFAULT 0,
  register_time DATETIME(3) NOT NULL,
  KEY schedulers_state (state)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_bin;
