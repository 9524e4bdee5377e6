-- Without those of which all versions were removed.
SELECT count(*) FROM workflows
WHERE EXISTS (SELECT 1 FROM definitions WHERE definitions.workflow = workflows.id);
