-- Hosts without a single connection: their processes have ended.
UPDATE hosts SET lapsed = true
WHERE NOT lapsed
    AND application NOT IN (
        SELECT application_name FROM pg_stat_activity WHERE application_name IS NOT NULL
    );
