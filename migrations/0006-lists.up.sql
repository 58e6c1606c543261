-- compatible: no
-- Each order that tasks are listed by, of each state: a list of them reads its page, however many others there are.
ALTER TABLE tasks
  ADD KEY IF NOT EXISTS tasks_state (state, id),
  ADD KEY IF NOT EXISTS tasks_name (state, name),
  ADD KEY IF NOT EXISTS tasks_created (state, create_time, id),
  ALGORITHM=DEFAULT;

-- The labels once more, to find tasks by; what holds is the tasks' own column. Anew, where this step was broken off: an
-- older release may have run since.
DROP TABLE IF EXISTS task_labels;
CREATE TABLE task_labels (
  task_id INT NOT NULL,
  name VARCHAR(63) NOT NULL,
  value VARCHAR(255) NOT NULL,
  PRIMARY KEY (task_id, name),
  -- Unique as it is anyway: the server then knows that a label's tasks come by id.
  UNIQUE KEY task_labels_value (name, value, task_id),
  CONSTRAINT task_labels_of_task FOREIGN KEY (task_id) REFERENCES tasks (id) ON DELETE CASCADE
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=utf8mb4 COLLATE=utf8mb4_nopad_bin;

INSERT IGNORE INTO task_labels (task_id, name, value)
  SELECT tasks.id, label.name, JSON_VALUE(tasks.labels, CONCAT('$."', label.name, '"'))
    FROM tasks STRAIGHT_JOIN JSON_TABLE(
      IF(JSON_VALID(tasks.labels) AND JSON_TYPE(tasks.labels) = 'OBJECT', JSON_KEYS(tasks.labels), '[]'),
      '$[*]' COLUMNS (name VARCHAR(63) PATH '$')) AS label
    WHERE tasks.labels <> '{}' AND JSON_TYPE(JSON_EXTRACT(tasks.labels, CONCAT('$."', label.name, '"'))) = 'STRING';

-- By state and time, in place of by time alone: of any state it is a merge of few ranges.
ALTER TABLE executions
  ADD KEY IF NOT EXISTS executions_due (state, scheduled_time, task_id),
  DROP KEY IF EXISTS executions_time,
  ALGORITHM=DEFAULT;
