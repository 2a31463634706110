-- What is no plain file is not read, and nothing is written through it: directories,
-- pipes, devices, files of the kernel, links to them and loops of links; whoever asks,
-- and by whatever way a path is given. Nothing hangs.
\getenv srcdir PG_ABS_SRCDIR
\set begin :srcdir '/include/begin.sql'
\i :begin
\set runs :srcdir '/include/runs.sql'
\i :runs
SET statement_timeout = '20s';
SET client_min_messages = warning;
DROP ROLE IF EXISTS regress_syncup_files;
RESET client_min_messages;
CREATE ROLE regress_syncup_files;
GRANT USAGE ON SCHEMA t, target TO regress_syncup_files;
GRANT EXECUTE ON ALL FUNCTIONS IN SCHEMA public TO regress_syncup_files;
CREATE TABLE target.x (a int PRIMARY KEY);
GRANT ALL ON target.x TO regress_syncup_files;
-- "in" is the directory that the role may use; "out" is not.
CALL t.shell('chmod 755 . && mkdir -m 777 in out && cd in && printf "a\n1\n" > good && printf "a\n2\n" > ../out/secret && mkdir folder && mkfifo fifo && gzip -c good > good.gz'
	|| ' && ln -s good link && ln -s folder to_folder && ln -s fifo to_fifo && ln -s /dev/zero to_device && ln -s /proc/self/environ to_proc && ln -s loop loop && ln -s ../out/secret to_secret && ln -s nothing dangling && ln -s "$PWD/../out" to_out'
	|| ' && ln -s /proc/self/root/etc/passwd to_root && ln -s /proc/self/fd/0 to_fd && ln -s "$PWD/to_secret" chain && chmod 644 good ../out/secret');
CREATE TABLE t.path (n serial, path text, directory boolean DEFAULT false);
INSERT INTO t.path (path) VALUES ('in/good'), ('in/link'), ('in/good.gz'), ('in/folder'), ('in/folder/'), ('in/good/'), ('in'), ('in/fifo'), ('in/to_folder'), ('in/to_fifo'), ('in/to_device'), ('in/to_proc'), ('in/loop'), ('in/to_secret'), ('in/chain'), ('in/dangling'),
	('in/to_out/secret'), ('in/to_root'), ('in/to_fd'), ('in/../out/secret'), ('in/folder/../../out/secret'), ('in/nothing/../good'), ('out/../in/good'), ('/dev/zero'), ('/dev/null'), ('/proc/self/environ'), ('/proc/self/mem'), ('/proc/self/fd/0'),
	('/proc/self/cwd/PG_VERSION'), ('/'), (''), ('~/x'), (E'in/a\nb'), ('in/' || repeat('x', 300)), ('in/' || repeat('x/', 3000));
CREATE FUNCTION t.path(path text) RETURNS text LANGUAGE sql AS $$ SELECT CASE WHEN path ~ '^(/|~)' OR path = '' THEN path ELSE t.dir() || '/' || path END $$;
-- What reading says: "read", or why not. Long names are cut.
CREATE FUNCTION t.reading(path text) RETURNS text
LANGUAGE plpgsql AS $$
DECLARE
	first int;
BEGIN
	SELECT a INTO first FROM syncup_read_csv(t.path(path)) AS (a int);
	RETURN 'read ' || coalesce(first::text, 'nothing');
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(regexp_replace(t.mask(SQLERRM), '(x/?){50,}', 'x...'), 100);
END
$$;
-- As a superuser: any plain file; those of the kernel that tell no size are empty.
SET client_min_messages = warning;	-- no list of the columns found
SELECT left(path, 40) AS path, said FROM t.path, t.reading(path) AS said WHERE path !~ '/mem|fd' ORDER BY n;
SELECT path, said ~ '^read' AS is_read FROM t.path, t.reading(path) AS said WHERE path ~ '/mem|fd' ORDER BY n;
-- With a directory of one's own.
SELECT set_config('syncup.directories', t.dir() || '/in', false) <> '' AS set;
SET ROLE regress_syncup_files;
SELECT path, t.reading(path) FROM (VALUES ('in/good')) AS p (path);
RESET ROLE;
GRANT SELECT ON t.path TO regress_syncup_files;
SET ROLE regress_syncup_files;
SELECT left(path, 40) AS path, t.reading(path) FROM t.path ORDER BY n;
RESET ROLE;

-- The same files as those of a mapping, in a prepare: the mapping, or the run, is refused.
CREATE FUNCTION t.preparing(path text, options jsonb DEFAULT '{}') RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_create_connector('F', t.dir() || '/in');
	PERFORM syncup_map_entity_type('F', 'm', 'target.x', CASE WHEN path ~ '^in/' THEN substr(path, 4) ELSE t.path(path) END, 'a', '{"a": "a"}', options => options);
	PERFORM syncup_prepare('F', 'initial');
	RETURN 'prepared';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(regexp_replace(t.mask(SQLERRM), '(x/?){50,}', 'x...'), 100);
END
$$;
SET ROLE regress_syncup_files;
SELECT left(path, 40) AS path, t.preparing(path) FROM t.path WHERE path !~ 'good|link' ORDER BY n;
SELECT pattern, t.preparing(pattern, '{"pattern": true}') FROM unnest('{in/f*,in/to_[fds]*,in/loop*,in/to_out/*,in/../out/*,/dev/z*,/proc/self/env*}'::text[]) AS pattern;
SELECT path, t.preparing('in/good', jsonb_build_object('incremental_file', t.path(path))) AS incremental FROM t.path WHERE path ~ 'secret|chain|^/' AND path <> '/' ORDER BY n;
SELECT suffix, t.preparing('in/good', jsonb_build_object('done_suffix', suffix)) FROM unnest('{/../../out/secret,/x,/../to_secret}'::text[]) AS suffix;
RESET ROLE;

-- Written: exports and orphans, into plain directories only, and never through a link.
CREATE FUNCTION t.writing(path text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_synchronize('F', orphans => t.path(path));
	RETURN 'written';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(regexp_replace(t.mask(SQLERRM), '(x/?){50,}', 'x...'), 100);
END
$$;
CREATE FUNCTION t.exporting(path text) RETURNS text
LANGUAGE plpgsql AS $$
BEGIN
	PERFORM syncup_export(t.waiting(), t.path(path));
	RETURN 'written';
EXCEPTION WHEN OTHERS THEN
	RETURN SQLSTATE || ' ' || left(regexp_replace(t.mask(SQLERRM), '(x/?){50,}', 'x...'), 100);
END
$$;
SELECT syncup_create_connector('F', t.dir() || '/in'), syncup_map_entity_type('F', 'm', 'target.x', 'good', 'a', '{"a": "a"}');
SELECT syncup_prepare('F', 'initial') IS NOT NULL AS prepared;
GRANT USAGE ON SCHEMA syncup TO regress_syncup_files;
GRANT SELECT ON syncup.batch TO regress_syncup_files;
SET ROLE regress_syncup_files;
SELECT path, t.exporting(path) FROM t.path WHERE path ~ '(in|folder|fifo|good|loop|link|device|proc|out)/?$' OR path IN ('/', '') ORDER BY n;
SELECT path, t.exporting(path) FROM unnest('{in/to_out,out,in/..,in/../out,/tmp,/proc/self/fd,/dev/shm,in/folder/..}'::text[]) AS path;
SELECT left(path, 40) AS path, t.writing(path) FROM t.path WHERE path !~ 'good' ORDER BY n;
RESET ROLE;
-- A link is replaced, not followed; a secret is as it was.
SELECT pg_read_file(t.dir() || '/out/secret') AS secret, string_agg(f, ' ' ORDER BY f COLLATE "C") AS outside FROM pg_ls_dir(t.dir() || '/out') AS f;
SELECT count(*) AS temporary_files FROM pg_ls_dir(t.dir() || '/in', true, true) AS f WHERE f ~ 'tmp$';

SET client_min_messages = warning;
SELECT syncup_drop_connector('F');
DROP OWNED BY regress_syncup_files;
DROP ROLE regress_syncup_files;
RESET client_min_messages;
\set end :srcdir '/include/end.sql'
\i :end
