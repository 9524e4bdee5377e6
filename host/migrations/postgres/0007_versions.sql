-- Versions of definitions can be deprecated, and removed.

-- Why a version starts nothing any more.
ALTER TABLE definitions ADD COLUMN deprecated text;
ALTER TABLE definitions ADD COLUMN deprecated_at bigint
    CHECK ((deprecated IS NULL) = (deprecated_at IS NULL));

-- Finds the latest that is not.
CREATE INDEX definitions_current ON definitions (workflow, version) WHERE deprecated IS NULL;

-- Their numbers are not used again, whatever is removed.
CREATE TABLE workflows (
    id           text COLLATE "C" NOT NULL PRIMARY KEY CHECK (length(id) BETWEEN 1 AND 64),
    last_version bigint NOT NULL CHECK (last_version >= 1)
);

INSERT INTO workflows (id, last_version)
SELECT workflow, max(version) FROM definitions GROUP BY workflow;

DROP INDEX definitions_first;

-- Versions by which an execution went before it migrated: its journal is read with them.
CREATE TABLE former_versions (
    execution  uuid   NOT NULL,
    workflow   text COLLATE "C" NOT NULL,
    definition bigint NOT NULL,
    PRIMARY KEY (execution, definition),
    FOREIGN KEY (workflow, definition) REFERENCES definitions (workflow, version)
);

CREATE INDEX former_versions_by_definition ON former_versions (workflow, definition);
