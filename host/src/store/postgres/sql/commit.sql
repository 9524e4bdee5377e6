-- $1 to $18: appends, one array per column; $19 to $26: events, $27: their codec;
-- $28 to $38: checkpoints; $39 to $42: blobs; $43 to $45: answers; $46 to $49: former versions.
-- Gives the positions of the appends that are accepted (and a row for each notice).
WITH next AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $1::uuid[], $2::bigint[], $3::uuid[], $4::uuid[], $5::bigint[], $6::text[],
        $7::bigint[], $8::bigint[], $9::text[], $10::bigint[], $11::bigint[], $12::bigint[],
        $13::text[], $14::bigint[], $15::boolean[], $16::text[], $17::bytea[], $18::bigint[]
    ) WITH ORDINALITY AS next (
        id, expected, holder, owner, crashes, workflow, definition, version, status,
        created_at, started_at, ended_at, error, wake_at, waiting, key, request, keep_days,
        position
    )
    -- A host that does not know yet that its lease has lapsed cannot own anything.
    WHERE owner IS NULL OR owner IN (SELECT hosts.id FROM hosts WHERE NOT lapsed)
),
advanced AS (
    UPDATE executions
    SET version    = next.version,
        status     = next.status,
        started_at = next.started_at,
        ended_at   = next.ended_at,
        error      = next.error,
        wake_at    = next.wake_at,
        waiting    = next.waiting,
        owner      = next.owner,
        crashes    = next.crashes,
        keep_days  = next.keep_days,
        definition = next.definition
    FROM next
    WHERE executions.id = next.id
        AND executions.version = next.expected
        AND executions.owner IS NOT DISTINCT FROM next.holder
    RETURNING next.position
),
created AS (
    INSERT INTO executions (
        id, workflow, definition, version, status, created_at, started_at, ended_at, error,
        wake_at, waiting, owner, crashes, key, request, keep_days
    )
    SELECT
        id, workflow, definition, version, status, created_at, started_at, ended_at, error,
        wake_at, waiting, owner, crashes, key, request, keep_days
    FROM next
    WHERE expected = 0
    ON CONFLICT DO NOTHING
    RETURNING id
),
accepted AS MATERIALIZED (
    SELECT position, false AS adrift FROM advanced
    UNION ALL
    SELECT next.position, next.owner IS NULL AND NOT next.waiting AND next.ended_at IS NULL
    FROM created JOIN next ON next.id = created.id
),
events AS (
    INSERT INTO journal (execution, seq, at, kind, node, item, codec, payload)
    SELECT execution, seq, at, kind, node, item, $27, payload
    FROM unnest(
        $19::bigint[], $20::uuid[], $21::bigint[], $22::bigint[], $23::text[], $24::text[],
        $25::bigint[], $26::text[]
    ) AS event (position, execution, seq, at, kind, node, item, payload)
    WHERE event.position = ANY (ARRAY(SELECT position FROM accepted))
),
asked AS MATERIALIZED (
    SELECT *
    FROM unnest(
        $28::bigint[], $29::uuid[], $30::uuid[], $31::text[], $32::text[], $33::text[],
        $34::bigint[], $35::bigint[], $36::text[], $37::text[], $38::text[]
    ) AS asked (
        position, id, execution, workflow, node, status, created_at, closed_at, payload, barred,
        reviewers
    )
    WHERE asked.position = ANY (ARRAY(SELECT position FROM accepted))
),
inbox AS (
    INSERT INTO checkpoints (
        id, execution, workflow, node, status, created_at, closed_at, codec, payload
    )
    SELECT id, execution, workflow, node, status, created_at, closed_at, $27, payload
    FROM asked
    ON CONFLICT (id) DO UPDATE SET
        status    = excluded.status,
        closed_at = excluded.closed_at,
        codec     = excluded.codec,
        payload   = excluded.payload
),
-- Where reviewers look for what is pending. Their names have no commas.
awaited AS (
    INSERT INTO checkpoint_reviewers (
        reviewer, created_at, checkpoint, execution, workflow, barred
    )
    SELECT one.reviewer, created_at, id, execution, workflow, barred
    FROM asked CROSS JOIN LATERAL unnest(string_to_array(reviewers, ',')) AS one (reviewer)
    ON CONFLICT (reviewer, created_at, checkpoint) DO UPDATE SET barred = excluded.barred
),
settled AS (
    DELETE FROM checkpoint_reviewers USING asked
    WHERE checkpoint_reviewers.checkpoint = asked.id
        AND checkpoint_reviewers.reviewer <> ALL (string_to_array(asked.reviewers, ','))
),
blob AS MATERIALIZED (
    SELECT execution, digest, data
    FROM unnest($39::bigint[], $40::uuid[], $41::bytea[], $42::bytea[])
        AS blob (position, execution, digest, data)
    WHERE blob.position = ANY (ARRAY(SELECT position FROM accepted))
),
bytes AS (
    INSERT INTO blobs (digest, data)
    SELECT DISTINCT ON (digest) digest, data FROM blob ORDER BY digest
    -- Locks a blob that is there, so that it is not removed just now as unused.
    ON CONFLICT (digest) DO UPDATE SET digest = excluded.digest
),
uses AS (
    INSERT INTO blob_uses (digest, execution)
    SELECT digest, execution FROM blob
    ON CONFLICT DO NOTHING
),
former AS (
    INSERT INTO former_versions (execution, workflow, definition)
    SELECT execution, workflow, definition
    FROM unnest($46::bigint[], $47::uuid[], $48::text[], $49::bigint[])
        AS former (position, execution, workflow, definition)
    WHERE former.position = ANY (ARRAY(SELECT position FROM accepted))
    ON CONFLICT DO NOTHING
),
answered AS (
    UPDATE signals
    SET answer = given.answer
    FROM unnest($43::bigint[], $44::uuid[], $45::text[]) AS given (position, id, answer)
    WHERE signals.id = given.id
        AND given.position = ANY (ARRAY(SELECT position FROM accepted))
    RETURNING signals.id
),
-- Rare on purpose: commits that notify wait for each other, on all hosts, until they are on
-- disk. How far executions are is told elsewhere.
told AS (
    SELECT pg_notify('phasewright', 'answered ' || id) FROM answered
    UNION ALL
    SELECT pg_notify('phasewright', 'work') WHERE EXISTS (SELECT FROM accepted WHERE adrift)
)
SELECT position FROM accepted
UNION ALL
SELECT NULL FROM told;
