-- compatible: no
-- The lease that a scheduler was promised: APIs that are configured with another one judge it by this.
ALTER TABLE schedulers ADD COLUMN IF NOT EXISTS lease_ms INT UNSIGNED NOT NULL DEFAULT 0, ALGORITHM=DEFAULT;

-- A process that registers again, since the answer was lost, ends what it registered before.
ALTER TABLE schedulers ADD COLUMN IF NOT EXISTS process_id CHAR(36) NOT NULL DEFAULT '', ALGORITHM=DEFAULT;
