-- Tables of $1 in which this user may not do all that a host does.
SELECT name
FROM unnest($1::text[]) AS name
WHERE NOT (
    has_table_privilege(name, 'SELECT') AND has_table_privilege(name, 'INSERT')
    AND has_table_privilege(name, 'UPDATE') AND has_table_privilege(name, 'DELETE')
);
