-- ?1: JSON array of checkpoints.
DELETE FROM checkpoint_reviewers
WHERE checkpoint IN (SELECT unhex(value) FROM json_each(?1));
