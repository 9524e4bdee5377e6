-- Versions of definitions can be deprecated, and removed.

-- Why a version starts nothing any more.
ALTER TABLE definitions ADD COLUMN deprecated TEXT;
ALTER TABLE definitions ADD COLUMN deprecated_at INTEGER
    CHECK ((deprecated IS NULL) = (deprecated_at IS NULL));

-- Finds the latest that is not.
CREATE INDEX definitions_current ON definitions (workflow, version) WHERE deprecated IS NULL;

-- Their numbers are not used again, whatever is removed.
CREATE TABLE workflows (
    id           TEXT    NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    last_version INTEGER NOT NULL CHECK (last_version >= 1)
) STRICT, WITHOUT ROWID;

INSERT INTO workflows (id, last_version)
SELECT workflow, max(version) FROM definitions GROUP BY workflow;

DROP INDEX definitions_first;

-- Versions by which an execution went before it migrated: its journal is read with them.
CREATE TABLE former_versions (
    execution  BLOB    NOT NULL REFERENCES executions (id) ON DELETE CASCADE,
    workflow   TEXT    NOT NULL,
    definition INTEGER NOT NULL,
    PRIMARY KEY (execution, definition),
    FOREIGN KEY (workflow, definition) REFERENCES definitions (workflow, version)
) STRICT, WITHOUT ROWID;

CREATE INDEX former_versions_by_definition ON former_versions (workflow, definition);
