-- Connectors and their thresholds (SPEC 2.1, 6.1).
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\pset null '(null)'

-- Created, with the thresholds that every connector begins with.
SELECT syncup_create_connector('AD', '/srv/exports//ad/../ad/', '{"delimiter": ";"}');
SELECT syncup_create_connector('HR');
SELECT connector, directory, options, active, needs_complete FROM syncup.connector ORDER BY connector;
SELECT mapping, counter, maximum, max_percentage FROM syncup.threshold WHERE connector = 'AD' ORDER BY counter;
-- Created again: updated, and what is not named there stays as it is.
SELECT syncup_set_thresholds('AD', '{"maximum_deleted_lines": 7}');
SELECT syncup_deactivate('AD');
SELECT syncup_create_connector('AD', '/srv/other', '{"quote": ""}');
SELECT connector, directory, options, active FROM syncup.connector WHERE connector = 'AD';
SELECT maximum FROM syncup.threshold WHERE connector = 'AD' AND counter = 'deleted_lines';
SELECT syncup_activate('AD');
SELECT syncup_activate('AD');
SELECT connector, active FROM syncup.status ORDER BY connector;

-- What is refused.
SELECT t.refused($$SELECT syncup_create_connector(NULL)$$);
SELECT t.refused($$SELECT syncup_create_connector('')$$);
SELECT t.refused($$SELECT syncup_create_connector(E'A\nD')$$);
SELECT t.refused(format('SELECT syncup_create_connector(%L)', repeat('x', 64)));
SELECT t.refused($$SELECT syncup_create_connector('X', 'exports')$$);
SELECT t.refused($$SELECT syncup_create_connector('X', '/srv', '{"delimeter": ";"}')$$);
SELECT t.refused($$SELECT syncup_create_connector('X', '/srv', '{"scope": "true"}')$$);
SELECT t.refused($$SELECT syncup_create_connector('X', '/srv', '[]')$$);
SELECT t.refused($$SELECT syncup_deactivate('ad')$$);
SELECT t.refused($$SELECT syncup_activate('SAP')$$);
SELECT t.refused($$SELECT syncup_drop_connector('SAP')$$);
SELECT t.refused($$SELECT syncup_drop_mapping('SAP', 'user')$$);
SELECT t.refused($$SELECT syncup_drop_mapping('AD', 'user')$$);

-- Limits: only those named change, of connector or mapping.
CREATE TABLE target.person (id int PRIMARY KEY, name text);
CALL t.write('person.csv', E'id,name\n1,Ada\n');
SELECT syncup_create_connector('AD', t.dir(), '{"delimiter": null, "quote": null}');
SELECT syncup_map_entity_type('AD', 'person', 'target.person', 'person.csv', 'id');
SELECT syncup_set_thresholds('AD', '{"maximum_inserted_lines": 0, "max_percentage_inserted_lines": 2.5, "max_link_percentage_updated_lines": 1}');
SELECT counter, maximum, max_percentage FROM syncup.threshold WHERE connector = 'AD' AND mapping IS NULL ORDER BY counter;
SELECT counter, maximum, max_percentage FROM syncup.threshold WHERE connector = 'HR' AND counter IN ('inserted_lines', 'link_updated_lines') ORDER BY counter;
SELECT syncup_set_thresholds('AD', '{"maximum_updated_lines": 5}', 'person');
SELECT syncup_set_thresholds('AD', '{"max_percentage_updated_lines": 10}', 'person');
SELECT syncup_set_thresholds('AD', '{"max_percentage_deleted_lines": 10}', 'person');
SELECT syncup_set_thresholds('AD', '{}', 'person');
SELECT mapping, counter, maximum, max_percentage FROM syncup.threshold WHERE mapping IS NOT NULL ORDER BY counter;
SELECT counter, maximum, max_percentage FROM syncup.threshold WHERE connector = 'AD' AND mapping IS NULL AND counter = 'updated_lines';
SELECT t.refused($$SELECT syncup_set_thresholds('AD', '{"maximum_deleted": 5, "maximum_updated_lines": 1}')$$);
SELECT t.refused($$SELECT syncup_set_thresholds('AD', '{"maximum_link_deleted_lines": 5}', 'person')$$);
SELECT l AS limits, e AS error FROM unnest(ARRAY[
	'{"maximum_deleted_lines": -1}', '{"maximum_deleted_lines": 1.5}', '{"maximum_deleted_lines": "5"}', '{"maximum_deleted_lines": null}',
	'{"maximum_deleted_lines": 9223372036854775808}', '{"max_percentage_deleted_lines": -0.1}', '{"max_percentage_deleted_lines": true}', '[]', '5']) AS l,
	LATERAL t.refused(format('SELECT syncup_set_thresholds(%L, %L)', 'AD', l)) AS e;
SELECT t.refused($$SELECT syncup_set_thresholds('SAP', '{}')$$);
SELECT t.refused($$SELECT syncup_set_thresholds('AD', '{}', 'group')$$);
SELECT t.refused($$SELECT syncup_set_thresholds('AD', NULL)$$);

-- A deactivated connector refuses prepare; what is queued may still be applied.
SELECT syncup_prepare('AD', 'initial') IS NOT NULL AS prepared;
SELECT syncup_deactivate('AD');
SELECT t.refused($$SELECT syncup_prepare('AD', 'initial')$$);
SELECT t.refused($$SELECT syncup_prepare('AD', 'complete')$$);
SELECT * FROM t.synchronize('AD');
SELECT t.refused($$SELECT syncup_prepare('AD', 'incremental')$$);
SELECT syncup_activate('AD');
SELECT syncup_prepare('AD', 'complete') IS NOT NULL AS prepared;
SELECT syncup_create_connector($$O'Brien$$), syncup_deactivate($$O'Brien$$);
SELECT t.refused($$SELECT syncup_prepare('O''Brien', 'initial')$$);
SELECT syncup_drop_connector($$O'Brien$$);

-- Dropped, with all of its own; never its target. Another one stays.
SELECT syncup_drop_connector('AD');
SELECT * FROM target.person;
SELECT name, 'left over' AS is FROM t.snapshot() WHERE name LIKE '%.ad\_%';
SELECT connector FROM syncup.connector
UNION ALL SELECT connector FROM syncup.mapping
UNION ALL SELECT connector FROM syncup.mapping_column
UNION ALL SELECT connector FROM syncup.batch
UNION ALL SELECT DISTINCT connector FROM syncup.threshold
UNION ALL SELECT mapping FROM syncup.batch_counter
UNION ALL SELECT connector FROM syncup.quarantine ORDER BY 1;
-- Names that SQL must quote.
SELECT syncup_create_connector('Ünit "7"; -- x');
SELECT syncup_set_thresholds('Ünit "7"; -- x', '{"maximum_deleted_lines": 1}');
SELECT t.refused($$SELECT syncup_prepare('Ünit "7"; -- x', 'initial')$$);
SELECT syncup_drop_connector('Ünit "7"; -- x');
SELECT connector FROM syncup.connector;

-- The extension takes everything with it.
DROP EXTENSION syncup CASCADE;
SELECT nspname FROM pg_namespace WHERE nspname ~ '^syncup';

\set end :srcdir '/include/end.sql'
\i :end
