SELECT status, count(*) FROM executions GROUP BY status ORDER BY status;
