-- By hand: the target becomes equal to the file, as a good DBA tunes it. Staging
-- with the target's types, checks, one hash join into a table of changes, counts,
-- then only what changed.
--
-- Variables: target; file, or, with foreign set, the foreign table "users_file".
-- Prints inserted/updated/deleted.
BEGIN;
SET LOCAL work_mem = '256MB';
DROP TABLE IF EXISTS staging, changes;
\if :foreign
CREATE UNLOGGED TABLE staging AS
SELECT guid, dn, login, name, mail, department, title, city, phone, postal_code, control, hired, changed, employee FROM users_file;
\else
CREATE UNLOGGED TABLE staging (guid uuid, dn text, login text, name text, mail text, department text, title text, city text,
	phone text, postal_code text, control int, hired date, changed text, employee text, comment text, info text);
COPY staging FROM :'file' (FORMAT csv, HEADER);
\endif
ANALYZE staging;
DO $$
BEGIN
	IF EXISTS (SELECT FROM staging WHERE guid IS NULL) THEN
		RAISE EXCEPTION 'null key';
	END IF;
	IF EXISTS (SELECT FROM staging GROUP BY guid HAVING count(*) > 1) THEN
		RAISE EXCEPTION 'duplicate key';
	END IF;
END
$$;
CREATE UNLOGGED TABLE changes AS
SELECT CASE WHEN s.guid IS NULL THEN 'delete' WHEN t.guid IS NULL THEN 'insert' ELSE 'update' END AS command,
	coalesce(s.guid, t.guid) AS guid, s.dn, s.login, s.name, s.mail, s.department, s.title, s.city, s.phone,
	s.postal_code, s.control, s.hired, s.changed, s.employee
FROM staging s FULL JOIN :target t ON t.guid = s.guid
WHERE s.guid IS NULL OR t.guid IS NULL
	OR (s.dn, s.login, s.name, s.mail, s.department, s.title, s.city, s.phone, s.postal_code, s.control, s.hired, s.changed, s.employee)
	IS DISTINCT FROM (t.dn, t.login, t.name, t.mail, t.department, t.title, t.city, t.phone, t.postal_code, t.control, t.hired, t.changed, t.employee);
SELECT concat_ws('/', count(*) FILTER (WHERE command = 'insert'), count(*) FILTER (WHERE command = 'update'),
	count(*) FILTER (WHERE command = 'delete')) FROM changes;
MERGE INTO :target t USING changes c ON t.guid = c.guid
WHEN MATCHED AND c.command = 'delete' THEN DELETE
WHEN MATCHED THEN UPDATE SET dn = c.dn, login = c.login, name = c.name, mail = c.mail, department = c.department, title = c.title,
	city = c.city, phone = c.phone, postal_code = c.postal_code, control = c.control, hired = c.hired, changed = c.changed, employee = c.employee
WHEN NOT MATCHED THEN INSERT VALUES (c.guid, c.dn, c.login, c.name, c.mail, c.department, c.title, c.city, c.phone,
	c.postal_code, c.control, c.hired, c.changed, c.employee);
COMMIT;
