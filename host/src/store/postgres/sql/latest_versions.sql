-- Of the workflows $1; those that do not exist are left out.
SELECT workflow, max(version) AS version FROM definitions WHERE workflow = ANY ($1) GROUP BY workflow;
