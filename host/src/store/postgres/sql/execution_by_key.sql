SELECT uuid_send(id) AS id, request
FROM executions
WHERE workflow = $1 AND key = $2;
