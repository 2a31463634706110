-- Nobody but the owner may do anything, until the DBA grants it (SPEC 3).
-- Functions are executable by PUBLIC unless that is taken away; tables and
-- views are not readable, and schemas not usable, unless granted.

DO $$
DECLARE
	f regprocedure;
BEGIN
	FOR f IN
		SELECT d.objid::regprocedure
		FROM pg_catalog.pg_depend d
		JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
		WHERE e.extname = 'syncup' AND d.deptype = 'e' AND d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass
	LOOP
		-- These only compute, and views call some of them: they may stay everybody's.
		IF f::text !~ '(^|[.])(syncup_format|did_you_mean|names_hint|connectors_hint|dn_normal_form|next_cron|cron_fields?|has_pg_cron|is_missing_in_cron|detect_[a-z_]+|common_prefix|date_parts|date_second|without_blanks|bare_key|row_sums)\(' THEN
			EXECUTE pg_catalog.format('REVOKE ALL ON ROUTINE %s FROM PUBLIC', f);
		END IF;
	END LOOP;
END
$$;
