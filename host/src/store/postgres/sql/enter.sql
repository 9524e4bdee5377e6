-- A life of a host: $1 its id, $2 its name, $3 the application_name of its connections,
-- $4 its lease in milliseconds.
INSERT INTO hosts (id, name, application, started_at, lease_until)
VALUES (
    $1, $2, $3, clock_timestamp(), clock_timestamp() + $4 * interval '1 millisecond'
);
