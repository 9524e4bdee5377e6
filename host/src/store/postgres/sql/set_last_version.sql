-- Workflow $1 has version $2 now.
INSERT INTO workflows (id, last_version) VALUES ($1, $2)
ON CONFLICT (id) DO UPDATE SET last_version = excluded.last_version;
