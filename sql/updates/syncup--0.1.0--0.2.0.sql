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
