-- compatible: no
-- The last revision that was given out, in one row: its lock makes the order of revisions the order of commits.
CREATE TABLE IF NOT EXISTS change_counter (
  id TINYINT UNSIGNED PRIMARY KEY,
  revision BIGINT UNSIGNED NOT NULL,
  -- Names this log in resume tokens.
  epoch CHAR(16) NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin;

INSERT IGNORE INTO change_counter VALUES (1, 0, LEFT(MD5(RAND()), 16));

-- The change log: a segment is what one transaction changed of one kind, revisions first_revision to revision.
CREATE TABLE IF NOT EXISTS changes (
  revision BIGINT UNSIGNED PRIMARY KEY,
  first_revision BIGINT UNSIGNED NOT NULL,
  kind ENUM('TASK','EXECUTION') NOT NULL,
  commit_time DATETIME(3) NOT NULL,
  -- TaskChanges or ExecutionChanges of taskscheduler.v1.
  payload LONGBLOB NOT NULL,
  KEY changes_time (commit_time)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin;

-- A commit on this row pushes all commits before it to the disk.
CREATE TABLE IF NOT EXISTS change_flushes (
  id TINYINT UNSIGNED PRIMARY KEY,
  n BIGINT UNSIGNED NOT NULL
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin;

INSERT IGNORE INTO change_flushes VALUES (1, 0);

-- First answers, for requests that are sent again.
CREATE TABLE IF NOT EXISTS requests (
  request_id CHAR(36) PRIMARY KEY,
  fingerprint BINARY(32) NOT NULL,
  answer LONGBLOB NOT NULL,
  create_time DATETIME(3) NOT NULL,
  KEY requests_time (create_time)
) ENGINE=InnoDB ROW_FORMAT=DYNAMIC DEFAULT CHARSET=ascii COLLATE=ascii_bin;
