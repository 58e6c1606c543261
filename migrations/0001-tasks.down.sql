-- The original's table stays, with its rows.
ALTER TABLE tasks DROP KEY IF EXISTS tasks_unique_name, ALGORITHM=DEFAULT;
