-- The components of phases that were ever in a catalog: an execution runs what it pinned at
-- its start, whatever is deployed since.

-- `data` is last, so that nothing else has to be looked for behind it.
CREATE TABLE components (
    digest     BLOB    NOT NULL PRIMARY KEY CHECK (length(digest) = 32),
    -- As the component says itself, for people.
    name       TEXT    NOT NULL,
    version    TEXT    NOT NULL,
    first_seen INTEGER NOT NULL DEFAULT (CAST(unixepoch('subsec') * 1000 AS INTEGER)),
    data       BLOB    NOT NULL
) STRICT;
