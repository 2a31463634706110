-- A publication FOR ALL TABLES refuses to update and delete rows of a table that
-- has no replica identity: where no primary key is one, the whole row is.

DO $$
DECLARE
	t regclass;
BEGIN
	FOR t IN
		SELECT c.oid
		FROM pg_catalog.pg_class c
		WHERE c.relnamespace = 'syncup'::regnamespace AND c.relkind = 'r'
			AND NOT EXISTS (SELECT FROM pg_catalog.pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
	LOOP
		EXECUTE pg_catalog.format('ALTER TABLE %s REPLICA IDENTITY FULL', t);
	END LOOP;
END
$$;
