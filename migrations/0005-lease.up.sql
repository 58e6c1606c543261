-- The lease that a scheduler was promised: APIs that are configured with another one judge it by this.
ALTER TABLE schedulers ADD COLUMN IF NOT EXISTS lease_ms INT UNSIGNED NOT NULL DEFAULT 0;
