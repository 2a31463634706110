-- A backslash in a function of ours is one, whatever its caller has set.

DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN
		SELECT d.objid::regprocedure
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
		JOIN pg_catalog.pg_proc p ON p.oid = d.objid
		WHERE e.extname = 'syncup' AND d.deptype = 'e' AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
			AND p.proconfig IS NOT NULL AND p.prosrc LIKE E'%\\\\%'
	LOOP
		EXECUTE pg_catalog.format('ALTER ROUTINE %s SET standard_conforming_strings = on', f);
	END LOOP;
END
$$;
