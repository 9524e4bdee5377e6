-- Takes the answer to command $1 away.
DELETE FROM signals WHERE id = $1 AND answer IS NOT NULL RETURNING answer;
