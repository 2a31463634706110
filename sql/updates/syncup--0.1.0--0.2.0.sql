-- From 0.1.0 to 0.2.0: what changes in tables, types and signatures.

\echo Use "ALTER EXTENSION syncup UPDATE" to load this file. \quit

-- Options: each takes values of one type now; what 0.1.0 took for the same is written so.
DO $$
DECLARE
	relation regclass;
BEGIN
	FOREACH relation IN ARRAY '{syncup.connector,syncup.mapping}'::regclass[] LOOP
		EXECUTE format($sql$
			UPDATE %s AS t SET options = (
				SELECT jsonb_object_agg(o.key, CASE
					WHEN o.key IN ('header', 'pattern') THEN to_jsonb((o.value #>> '{}')::boolean)
					WHEN o.key IN ('skip_lines', 'reject_limit', 'min_age', 'constants') THEN o.value
					ELSE to_jsonb(o.value #>> '{}') END)
				FROM jsonb_each(t.options) AS o)
			WHERE options <> '{}'
			$sql$, relation);
	END LOOP;
END
$$;

-- Logical replication: a replica identity for every table, those of mappings as well.
DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN
		SELECT c.oid
		FROM pg_catalog.pg_class c
		JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
		WHERE n.nspname IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes') AND c.relkind = 'r'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', t);
	END LOOP;
END
$$;
