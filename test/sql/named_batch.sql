-- Report, resume and discard by the name of a connector: its one blocked batch.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
CREATE TABLE target.r (id int PRIMARY KEY, v text);
CALL t.write('m.csv', E'id,v\n');
SELECT t.map('target.r', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds('C', '{"maximum_deleted_lines": 1}');

-- No batch, none that is blocked, no such connector; nothing is done.
SELECT t.refused(format('SELECT %s(%L)', f, 'C')) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;
SELECT t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT t.refused(format('SELECT %s(%L)', f, 'C')) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;
SELECT t.refused(format('SELECT %s(%L)', f, 'c')) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;
SELECT t.refused(format('SELECT %s(%L)', f, '00000000-0000-0000-0000-000000000000')) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;
SELECT t.refused(format('SELECT %s(NULL)', f)) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;
SELECT t.refused(format('SELECT %s(NULL::uuid)', f)) FROM unnest('{syncup_report,syncup_resume,syncup_discard}'::text[]) f;

-- The one that is blocked is meant.
SELECT t.go('complete', E'id,v\n1,a\n');
SELECT syncup_report('C') = syncup_report(t.waiting()) AS same;
SELECT syncup_report(t.waiting()::text) = syncup_report(t.waiting()) AS same;
SELECT syncup_report(upper('{' || t.waiting()) || '}') = syncup_report(t.waiting()) AS same;
SELECT status, deleted FROM syncup_resume('C');
SELECT count(*) FROM target.r;
-- A literal of no type is the uuid of any batch, blocked or not.
SELECT t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT t.go('complete', E'id,v\n1,a\n');
SELECT t.waiting() AS blocked \gset
SELECT syncup_report(:'blocked') = syncup_report('C') AS same;
SELECT syncup_discard(:'blocked', 'by its uuid');
SELECT t.go('complete', E'id,v\n2,b\n');
SELECT syncup_discard('C', reason => 'by its connector');
SELECT n, status, decision, reason FROM t.batches WHERE decision IS NOT NULL;
SELECT t.go('complete', E'id,v\n2,b\n');
SELECT t.waiting() AS blocked \gset
SELECT status, deleted FROM syncup_resume(:'blocked', force => true);
SELECT syncup_report(:'blocked') ~ 'APPLIED' AS applied;
SELECT t.error(format('SELECT syncup_resume(%L)', :'blocked'));

-- A failed batch is none that is blocked; of two connectors each has its own.
SELECT syncup_create_connector('D', t.dir());
CREATE TABLE target.d (id int PRIMARY KEY, v text CHECK (v <> 'no'));
SELECT syncup_map_entity_type('D', 'd', 'target.d', 'd.csv', 'id', '{"id": "id", "v": "v"}');
SELECT t.unlimited('D');
CALL t.write('d.csv', E'id,v\n1,no\n');
SELECT syncup_prepare('D', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('D');
SELECT t.error($$SELECT syncup_discard('D')$$);
SELECT t.go('complete', E'id,v\n');
SELECT syncup_set_thresholds('D', '{"maximum_inserted_lines": 1}');
CALL t.write('d.csv', E'id,v\n1,a\n2,b\n');
SELECT syncup_prepare('D', 'complete') IS NOT NULL AS prepared;
SELECT status FROM syncup_synchronize('D');
SELECT syncup_discard('D');
SELECT connector, status FROM syncup.batch WHERE seq IN (SELECT max(seq) FROM syncup.batch GROUP BY connector) ORDER BY connector;
SELECT syncup_drop_connector('D');

-- A connector may be called like a uuid; a batch of that uuid comes first.
SELECT t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT t.go('complete', E'id,v\n1,a\n');
SELECT t.waiting() AS blocked \gset
SELECT syncup_create_connector('00000000-0000-0000-0000-000000000000', t.dir());
SELECT syncup_create_connector(:'blocked', t.dir());
SELECT t.error($$SELECT syncup_resume('00000000-0000-0000-0000-000000000000')$$);
SELECT status, deleted FROM syncup_resume(:'blocked');

-- Who may operate needs no right to look at tables; who may look, none to operate.
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_operate, regress_syncup_look;
RESET client_min_messages;
CREATE ROLE regress_syncup_operate;
CREATE ROLE regress_syncup_look;
GRANT EXECUTE ON FUNCTION syncup_resume(text, boolean), syncup_discard(text, text) TO regress_syncup_operate;
GRANT USAGE ON SCHEMA t, target TO regress_syncup_operate, regress_syncup_look;
GRANT SELECT, INSERT, UPDATE, DELETE ON target.r TO regress_syncup_operate;
SELECT t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT t.go('complete', E'id,v\n1,a\n');
SET ROLE regress_syncup_operate;
SELECT status FROM syncup_resume('C');
SELECT t.error($$SELECT syncup_discard('C')$$);
RESET ROLE;
GRANT USAGE ON SCHEMA syncup, syncup_changes TO regress_syncup_look;
GRANT SELECT ON ALL TABLES IN SCHEMA syncup, syncup_changes TO regress_syncup_look;
GRANT EXECUTE ON FUNCTION syncup_report(uuid, text, jsonb), syncup_report(text, text, jsonb), syncup.batch_named, syncup.findings, syncup.column_findings, syncup.find_file_almost_empty, syncup.find_keys_respelled, syncup.find_file_cut, syncup.find_file_cut_otherwise, syncup.file_cut,
	syncup.find_rows_in_common, syncup.find_ends_not_found, syncup.find_links_lost, syncup.find_rows_set_aside, syncup.file_of, syncup.rows_of, syncup.traits, syncup.explained, syncup.way_in_words, syncup.examples_in_words,
	syncup.sample_changes, syncup.shorten, syncup.wrap, syncup.what_cascades, syncup.count_in_words, syncup.counter_rank, syncup.exceeded_limits, syncup.next_steps, syncup.report_as_text TO regress_syncup_look;
SELECT t.go('complete', E'id,v\n1,a\n2,b\n3,c\n');
SELECT t.go('complete', E'id,v\n1,a\n');
SET ROLE regress_syncup_look;
SELECT syncup_report('C') ~ 'BLOCKED' AS reported;
SELECT t.error($$SELECT syncup_resume('C')$$);
RESET ROLE;
-- A right that is missing is named, in a line, and nothing else is shown.
CREATE FUNCTION t.whole_error(statement text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	context text;
	hint text;
BEGIN
	EXECUTE statement;
	RETURN 'no error';
EXCEPTION WHEN OTHERS THEN
	GET STACKED DIAGNOSTICS context = PG_EXCEPTION_CONTEXT, hint = PG_EXCEPTION_HINT;
	RETURN format('%s: %s%s%s', SQLSTATE, SQLERRM, CASE WHEN hint <> '' THEN ', with a hint' END, CASE WHEN length(context) > 600 THEN ', and much more' END);
END
$$;
CREATE FUNCTION t.without(rights text) RETURNS SETOF text
LANGUAGE plpgsql AS $$
BEGIN
	EXECUTE format('REVOKE %s FROM regress_syncup_look', rights);
	SET LOCAL ROLE regress_syncup_look;
	RETURN NEXT t.whole_error($s$SELECT syncup_report('C')$s$);
	RETURN NEXT t.whole_error(format('SELECT syncup_report(%L::uuid)', '00000000-0000-0000-0000-000000000000'));
	RESET ROLE;
	EXECUTE format('GRANT %s TO regress_syncup_look', rights);
END
$$;
SELECT rights, w FROM unnest('{SELECT ON syncup.batch,SELECT ON syncup.threshold_check,EXECUTE ON FUNCTION syncup.wrap,EXECUTE ON FUNCTION syncup.batch_named,USAGE ON SCHEMA syncup,EXECUTE ON FUNCTION syncup.count_in_words}'::text[]) rights, t.without(rights) w;
DROP OWNED BY regress_syncup_operate, regress_syncup_look;
DROP ROLE regress_syncup_operate, regress_syncup_look;

\set end :srcdir '/include/end.sql'
\i :end
