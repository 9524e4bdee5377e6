-- The components of phases that were ever in a catalog: an execution runs what it pinned at
-- its start, whatever is deployed since.

CREATE TABLE components (
    digest     bytea  NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- As the component says itself, for people.
    name       text   NOT NULL,
    version    text   NOT NULL,
    first_seen bigint NOT NULL DEFAULT (extract(epoch FROM clock_timestamp()) * 1000)::bigint,
    data       bytea  NOT NULL
);
