-- A version of a definition can be deprecated: it starts nothing any more.

-- Why.
ALTER TABLE definitions ADD COLUMN deprecated TEXT;
ALTER TABLE definitions ADD COLUMN deprecated_at INTEGER
    CHECK ((deprecated IS NULL) = (deprecated_at IS NULL));

-- Finds the latest that is not.
CREATE INDEX definitions_current ON definitions (workflow, version) WHERE deprecated IS NULL;
