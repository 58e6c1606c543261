ALTER TABLE schedulers DROP COLUMN IF EXISTS process_id;
ALTER TABLE schedulers DROP COLUMN IF EXISTS lease_ms;
