-- Whoever may write the mapped columns of a link table, and no more, runs its
-- associations: names that are compared in another form, links with columns.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset format unaligned
\pset tuples_only on
SET client_min_messages = warning;
CREATE ROLE regress_syncup_links;
GRANT pg_read_server_files TO regress_syncup_links;
GRANT USAGE ON SCHEMA target TO regress_syncup_links;
GRANT EXECUTE ON FUNCTION syncup_prepare, syncup_synchronize, syncup_undo TO regress_syncup_links;
CREATE TABLE target.usr (id text PRIMARY KEY);
CREATE TABLE target.grp (id text PRIMARY KEY);
CREATE TABLE target.member (grp text, usr text, role text, note text, other text DEFAULT 'o', PRIMARY KEY (grp, usr, role));
GRANT SELECT (id), INSERT, UPDATE, DELETE ON target.usr, target.grp TO regress_syncup_links;
GRANT SELECT (grp, usr, role, note), INSERT (grp, usr, role, note), UPDATE (note), DELETE ON target.member TO regress_syncup_links;
CALL t.write('usr.csv', E'id,dn\nu1,cn=a\nu2,cn=b\n');
CALL t.write('grp.csv', E'id,dn\ng1,cn=g\n');
CALL t.write('one.csv', E'grp,usr,role,note\nCN=G,CN=A,r,n\n');
CALL t.write('two.csv', E'grp,usr,role,note\nCN=g,CN=B,r,n\nCN=g,CN=A,r,n\n');
SELECT syncup_create_connector('X', t.dir());
SELECT syncup_set_thresholds('X', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SELECT syncup_map_entity_type('X', 'usr', 'target.usr', 'usr.csv', 'id', '{"id": "id"}', '{dn}');
SELECT syncup_map_entity_type('X', 'grp', 'target.grp', 'grp.csv', 'id', '{"id": "id"}', '{dn}');
SELECT syncup_map_association('X', name, name || '.csv', 'grp', 'grp.dn', 'usr', 'usr.dn', 'target.member', 'grp', 'usr',
	'{"match1": "dn", "match2": "ignore_case", "columns": {"role": "role", "note": "note"}, "link_key": ["role"]}')
FROM unnest('{one,two}'::text[]) name;
CREATE FUNCTION t.run(mode text) RETURNS SETOF text LANGUAGE sql AS $$
	SELECT syncup_prepare('X', mode);
	SELECT concat_ws(' ', status, links_inserted, links_updated, links_deleted) FROM syncup_synchronize('X', keep_changes => true);
$$;
GRANT USAGE ON SCHEMA t TO regress_syncup_links;
SET ROLE regress_syncup_links;
SELECT t.run('initial');
RESET ROLE;
CALL t.write('one.csv', E'grp,usr,role,note\nCN=G,CN=A,r,n2\n');
CALL t.write('two.csv', E'grp,usr,role,note\nCN=g,CN=B,s,n\n');
SET ROLE regress_syncup_links;
SELECT t.run('incremental');
SELECT grp, usr, role, note FROM target.member ORDER BY 1, 2, 3;
RESET ROLE;
SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1 \gset
SET ROLE regress_syncup_links;
SELECT syncup_undo(:'batch'::uuid) IS NOT NULL;
SELECT t.run('complete');
SELECT grp, usr, role, note FROM target.member ORDER BY 1, 2, 3;
RESET ROLE;
DROP OWNED BY regress_syncup_links;
DROP ROLE regress_syncup_links;

\set end :srcdir '/include/end.sql'
\i :end
