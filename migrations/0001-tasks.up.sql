-- compatible: no
-- adopts: tasks
-- The original system's table. A database that the original made has it already; every other database gets it here.
CREATE TABLE IF NOT EXISTS tasks (
  id INT AUTO_INCREMENT PRIMARY KEY,
  name VARCHAR(255) NOT NULL UNIQUE,
  scheduled_time DATETIME NOT NULL,
  recurrence ENUM('ONCE','DAILY','WEEKLY','BIWEEKLY','MONTHLY','QUARTERLY','YEARLY') COLLATE utf8mb4_general_ci NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

-- An adopted table gets the types above. The migrator has checked that every row fits them. The collation of recurrence
-- ignores case, so that 'daily' becomes 'DAILY'.
ALTER TABLE tasks
  ENGINE=InnoDB ROW_FORMAT=DYNAMIC,
  MODIFY id INT NOT NULL AUTO_INCREMENT,
  MODIFY name VARCHAR(255) CHARACTER SET utf8mb4 COLLATE utf8mb4_nopad_bin NOT NULL,
  MODIFY recurrence ENUM('ONCE','DAILY','WEEKLY','BIWEEKLY','MONTHLY','QUARTERLY','YEARLY')
    CHARACTER SET utf8mb4 COLLATE utf8mb4_general_ci NULL,
  ALGORITHM=DEFAULT;

-- Times are kept to the millisecond. Finer ones are rounded up, because a task never runs early.
UPDATE tasks
  SET scheduled_time = scheduled_time + INTERVAL 1000 - MICROSECOND(scheduled_time) MOD 1000 MICROSECOND
  WHERE id > 0 AND MICROSECOND(scheduled_time) MOD 1000 > 0;

-- An adopted table may lack the unique key, or have it under another name.
SET @taskscheduler_unique_name = (SELECT IF(
  EXISTS (
    SELECT 1 FROM information_schema.STATISTICS
      WHERE TABLE_SCHEMA = DATABASE() AND TABLE_NAME = 'tasks' AND NON_UNIQUE = 0
      GROUP BY INDEX_NAME HAVING COUNT(*) = 1 AND MAX(COLUMN_NAME) = 'name' AND MAX(SUB_PART) IS NULL),
  'DO 0', 'ALTER TABLE tasks ADD UNIQUE KEY tasks_unique_name (name)'));
EXECUTE IMMEDIATE @taskscheduler_unique_name;
