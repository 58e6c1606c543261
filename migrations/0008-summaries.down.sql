DROP TABLE IF EXISTS execution_stats;
