-- A mapping proposed for files that nobody has described (SPEC 2.1, 2.3). What is
-- known of the files while they are looked at stands in temporary tables:
--
--   suggest_file    one of them: how it is read, its key, what it is taken for
--   suggest_column  one of its columns: what it holds, and its name in the table
--   suggest_link    a column whose values are those of a unique one
--
-- and suggest_1, suggest_2, ... are their copies (syncup.load_copy).

CREATE FUNCTION syncup.suggest_clear()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	t regclass;
BEGIN
	FOR t IN SELECT c.oid FROM pg_class c WHERE c.relnamespace = pg_my_temp_schema() AND c.relkind = 'r' AND c.relname ~ '^suggest_(file|column|link|[0-9]+)$' LOOP
		EXECUTE format('DROP TABLE %s', t);
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.suggest_clear() IS 'Drops the temporary tables of a suggestion.';

CREATE FUNCTION syncup.suggest_begin()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM syncup.suggest_clear();
	CREATE TEMPORARY TABLE suggest_file (file int PRIMARY KEY, path text, base text, modified timestamptz, options jsonb, evidence text[], rows bigint,
		copy name, taken text, told text, schema text, entity text, key int[], key_told text, incremental int) ON COMMIT DROP;
	CREATE TEMPORARY TABLE suggest_column (file int, ordinal int, name text, copy name, filled bigint, different bigint, longest int, kind text, type text, format text,
		told text, separator text, target text, is_unique boolean, PRIMARY KEY (file, ordinal)) ON COMMIT DROP;
	CREATE TEMPORARY TABLE suggest_link (file int, ordinal int, to_file int, to_ordinal int, match text, split text, found bigint, missing bigint, strength numeric,
		PRIMARY KEY (file, ordinal, to_file, to_ordinal)) ON COMMIT DROP;
END
$$;
COMMENT ON FUNCTION syncup.suggest_begin() IS 'The temporary tables of a suggestion, empty.';

-- ---------- files and columns ----------

CREATE FUNCTION syncup.suggest_file(path text, schema text, entity text, modified timestamptz, given jsonb)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
<<this>>
DECLARE
	file int := (SELECT count(*) + 1 FROM pg_temp.suggest_file);
	dialect record := syncup.csv_dialect(path, given);
	options jsonb := given || dialect.options;
	names text[];
	copy name := 'suggest_' || file;
	rows bigint;
	empty bigint;
	markers jsonb;
BEGIN
	INSERT INTO pg_temp.suggest_file (file, path, base, modified, schema, entity, options, evidence, copy, taken, told)
	VALUES (this.file, path, regexp_replace(path, '.*/', ''), modified, schema, entity, this.options, dialect.evidence, this.copy,
		CASE WHEN dialect.trouble IS NULL THEN 'entity' ELSE 'left out' END, dialect.trouble);
	IF dialect.trouble IS NOT NULL THEN
		RETURN;
	END IF;
	names := syncup.csv_columns(path, options);
	UPDATE pg_temp.suggest_file f SET evidence = f.evidence || n.told
	FROM (SELECT format('not looked at: columns that have no name of their own (%s)', string_agg(h.ordinal::text, ', ' ORDER BY h.ordinal)) AS told
		FROM @extschema@.syncup_csv_header(path, this.options) h WHERE h.name <> ALL (names) HAVING count(*) > 0) AS n
	WHERE f.file = this.file;
	SELECT l.rows, l.empty INTO rows, empty FROM syncup.load_copy(path, options, copy, names) l;
	IF NOT given ? 'null' THEN
		EXECUTE format('SELECT jsonb_agg(m) FROM unnest($1) m WHERE EXISTS (SELECT FROM pg_temp.%I v WHERE m IN (%s))', copy,
			(SELECT string_agg('v.c' || n, ', ') FROM generate_series(1, cardinality(names)) n))
		INTO markers USING ARRAY['NULL', '\N'];
		IF markers IS NOT NULL THEN
			options := options || jsonb_build_object('null', markers);
			EXECUTE format('DROP TABLE pg_temp.%I', copy);
			SELECT l.rows, l.empty INTO rows, empty FROM syncup.load_copy(path, options, copy, names) l;
			UPDATE pg_temp.suggest_file f SET options = this.options, evidence = f.evidence || format('null: cells hold %s', markers)
			WHERE f.file = this.file;
		END IF;
	END IF;
	UPDATE pg_temp.suggest_file f SET rows = this.rows, evidence = f.evidence || CASE WHEN this.empty > 0 THEN ARRAY[format('nothing stands in %s rows: they will be set aside', this.empty)] ELSE '{}' END WHERE f.file = this.file;
	INSERT INTO pg_temp.suggest_column (file, ordinal, name, copy, filled, different, longest, kind, type, format, told, separator, is_unique)
	SELECT this.file, n.ordinality, n.name, 'c' || n.ordinality, p.filled, p.different, p.longest, p.kind, p.type, p.format, p.told, p.separator,
		p.filled > 0 AND p.different = p.filled AND p.filled = this.rows
	FROM unnest(this.names) WITH ORDINALITY n (name), syncup.profile_column(to_regclass('pg_temp.' || this.copy), ('c' || n.ordinality)::name) p;
	-- names as SQL has them without quotes; what is not, or stands twice, gets its number
	UPDATE pg_temp.suggest_column c SET target = CASE WHEN s.name ~ '^[a-z]' THEN s.name ELSE 'c_' || s.name END || CASE WHEN s.place > 1 THEN '_' || c.ordinal ELSE '' END
	FROM (SELECT n.ordinal, n.name, row_number() OVER (PARTITION BY n.name ORDER BY n.ordinal) AS place
		FROM (SELECT k.ordinal, left(btrim(regexp_replace(lower(k.name), '[^[:alnum:]_]+', '_', 'g'), '_'), 50) AS name
			FROM pg_temp.suggest_column k WHERE k.file = this.file) n) s
	WHERE c.file = this.file AND c.ordinal = s.ordinal;
	IF rows = 0 THEN
		UPDATE pg_temp.suggest_file f SET taken = 'left out', told = 'it has a header and no rows, so that nothing tells its types and its key' WHERE f.file = this.file;
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.suggest_file(text, text, text, timestamptz, jsonb) IS 'Looks at a file: its dialect, its columns.';

-- Files of the same columns whose names differ in digits are days of one export: the
-- newest is read. Those with a column of commands are changes of the one that has the
-- other columns.
CREATE FUNCTION syncup.suggest_series()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	series record;
BEGIN
	-- of several such columns the first
	UPDATE pg_temp.suggest_file f SET taken = 'changes', told = c.name
	FROM (SELECT DISTINCT ON (k.file) k.file, k.name FROM pg_temp.suggest_column k JOIN pg_temp.suggest_file s USING (file)
		WHERE s.taken = 'entity' AND k.filled = s.rows AND k.different <= 6
			AND syncup.all_values(s.copy, k.copy, '(?i)^(insert|add|update|modify|delete|merge)$') ORDER BY k.file, k.ordinal) c
	WHERE c.file = f.file;
	FOR series IN
		SELECT p.pattern, array_agg(p.file ORDER BY p.modified DESC NULLS LAST, p.base DESC) AS files
		FROM (SELECT s.*, regexp_replace(s.base, '[0-9]+', '*', 'g') AS pattern,
				(SELECT array_agg(c.name ORDER BY c.ordinal) FROM pg_temp.suggest_column c WHERE c.file = s.file) AS names
			FROM pg_temp.suggest_file s WHERE s.taken IN ('entity', 'changes') AND s.base ~ '[0-9]') p
		GROUP BY p.pattern, p.names, p.taken HAVING count(*) > 1
	LOOP
		UPDATE pg_temp.suggest_file s SET base = series.pattern, options = s.options || '{"pattern": true}',
			entity = regexp_replace(s.entity, '_*[0-9]+', '', 'g'),
			evidence = s.evidence || format('pattern: %s files of these columns, of which the newest is read', cardinality(series.files))
		WHERE s.file = series.files[1];
		UPDATE pg_temp.suggest_file s SET taken = 'older', told = format('an older file of the series %s', series.pattern)
		WHERE s.file = ANY (series.files[2:]);
	END LOOP;
	UPDATE pg_temp.suggest_file e SET incremental =
		(SELECT min(c.file) FROM pg_temp.suggest_file c
		WHERE c.taken = 'changes'
			AND ARRAY(SELECT k.name FROM pg_temp.suggest_column k WHERE k.file = c.file AND k.name <> c.told ORDER BY 1)
				= ARRAY(SELECT k.name FROM pg_temp.suggest_column k WHERE k.file = e.file ORDER BY 1))
	WHERE e.taken = 'entity';
	-- alone it is read as it stands
	UPDATE pg_temp.suggest_file c SET taken = 'entity', evidence = c.evidence || format('column %s holds commands: changes of another file? Then it is the incremental_file of that mapping', c.told)
	WHERE c.taken = 'changes' AND NOT EXISTS (SELECT FROM pg_temp.suggest_file e WHERE e.taken = 'entity');
	UPDATE pg_temp.suggest_file c SET taken = 'left out', told = format('its column %s holds commands, and no other file has its other columns', c.told)
	WHERE c.taken = 'changes' AND NOT EXISTS (SELECT FROM pg_temp.suggest_file e WHERE e.incremental = c.file);
END
$$;
COMMENT ON FUNCTION syncup.suggest_series() IS 'Finds files that are days, or changes, of one export.';

CREATE FUNCTION syncup.all_values(copy name, column_name name, pattern text)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT FROM pg_temp.%2$I WHERE %1$I IS NOT NULL) AND NOT EXISTS (SELECT FROM pg_temp.%2$I WHERE %1$I !~ $1)', column_name, copy) INTO answer USING pattern;
	RETURN answer;
END
$$;
COMMENT ON FUNCTION syncup.all_values(name, name, text) IS 'Whether all filled cells of a column match a pattern.';

-- ---------- keys ----------

CREATE FUNCTION syncup.key_likeness(name text, entity text, kind text)
RETURNS numeric
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
			WHEN n.name ~ '^(object)?guid$|^uuid$|^id$|^sourcedid$|^key$|^pk$|^entryuuid$|^objectsid$' THEN 0
			WHEN n.name ~ format('^%s(id|guid|uuid|no|nr|num|nummer|numero|number|code|key)$', n.entity) THEN 2
			WHEN n.name ~ '(id|guid|uuid)$' THEN 4
			WHEN n.name ~ '(no|nr|num|nummer|numero|number|code|key)$' THEN 6
			WHEN n.name ~ '(seq|sequence|line|pos|position|item|index)$' THEN 8
			WHEN n.name ~ '(login|account|accountname|username|user|uid)$' THEN 10
			WHEN n.name ~ '(mail|email|upn|userprincipalname)$' THEN 14
			WHEN n.name ~ '^(dn|distinguishedname)$' THEN 16
			WHEN n.name ~ 'name|description|title|phone|comment' THEN 20
			ELSE 12 END
		+ CASE WHEN kind ~ 'GUID|SID' THEN 0 WHEN kind ~ 'whole' THEN 1 WHEN kind = 'text' THEN 3 ELSE 30 END
	FROM (SELECT regexp_replace(lower(key_likeness.name), '[^a-z0-9]', '', 'g') AS name,
		regexp_replace(regexp_replace(lower(key_likeness.entity), '[^a-z]|s$', '', 'g'), 'ie$', 'y') AS entity) n
$$;
COMMENT ON FUNCTION syncup.key_likeness(text, text, text) IS 'How little a column looks like a key by its name and values: 0 the best.';

CREATE FUNCTION syncup.suggest_composite(file int, copy name)
RETURNS int[]
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	candidates int[];
	c int[];
	repeated boolean;
BEGIN
	SELECT array_agg(k.ordinal ORDER BY k.ordinal) INTO candidates FROM (
		SELECT c.ordinal FROM pg_temp.suggest_column c JOIN pg_temp.suggest_file f USING (file)
		WHERE c.file = suggest_composite.file AND c.filled >= 0.5 * f.rows AND c.different > 1 AND c.kind !~ 'decimal|groups|list|yes|zero'
		ORDER BY syncup.key_likeness(c.name, f.entity, CASE WHEN c.kind ~ 'date|time' THEN 'text' ELSE c.kind END), c.ordinal LIMIT 9) k;
	FOR c IN
		SELECT k.columns FROM (
			SELECT ARRAY[a, b] AS columns FROM unnest(candidates) a, unnest(candidates) b WHERE a < b
			UNION ALL
			SELECT ARRAY[a, b, d] FROM unnest(candidates) a, unnest(candidates) b, unnest(candidates) d WHERE a < b AND b < d) k
		ORDER BY cardinality(k.columns), (SELECT sum(syncup.key_likeness(n.name, '', 'text')) FROM pg_temp.suggest_column n
			WHERE n.file = suggest_composite.file AND n.ordinal = ANY (k.columns)), k.columns
	LOOP
		EXECUTE format('SELECT EXISTS (SELECT FROM pg_temp.%I v WHERE %s GROUP BY %s HAVING count(*) > 1)', copy,
			(SELECT string_agg(format('v.c%s IS NOT NULL', o), ' AND ') FROM unnest(c) o), (SELECT string_agg('v.c' || o, ', ') FROM unnest(c) o))
		INTO repeated;
		IF NOT repeated THEN
			RETURN c;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncup.suggest_composite(int, name) IS 'Two or three columns that together tell the rows of a file apart; null: there are none.';

CREATE FUNCTION syncup.suggest_keys()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f record;
	c record;
	columns int[];
	likeness numeric;
BEGIN
	FOR f IN SELECT * FROM pg_temp.suggest_file s WHERE s.taken = 'entity' LOOP
		columns := NULL;
		likeness := NULL;
		-- a few rows of an export may lack it, or have it twice: they are set aside
		SELECT k.*, f.rows - k.different AS aside INTO c FROM pg_temp.suggest_column k
		WHERE k.file = f.file AND k.separator IS NULL AND k.type <> 'boolean'
			AND (k.is_unique OR k.different >= 0.95 * f.rows AND syncup.key_likeness(k.name, f.entity, k.kind) < 12)
		ORDER BY syncup.key_likeness(k.name, f.entity, k.kind) + CASE WHEN k.is_unique THEN 0 ELSE 8 END, k.ordinal LIMIT 1;
		-- of few rows many a column is unique: one that is called like a value is worth
		-- less than two that are called like keys
		IF c.file IS NULL OR syncup.key_likeness(c.name, f.entity, 'GUID') >= 10 THEN
			columns := syncup.suggest_composite(f.file, f.copy);
			SELECT max(syncup.key_likeness(k.name, f.entity, 'GUID')) INTO likeness FROM pg_temp.suggest_column k WHERE k.file = f.file AND k.ordinal = ANY (columns);
		END IF;
		IF c.file IS NOT NULL AND coalesce(likeness > 8, true) THEN
			UPDATE pg_temp.suggest_file s SET key = ARRAY[c.ordinal],
				key_told = CASE WHEN c.is_unique THEN format('filled and different in all %s rows', f.rows)
					ELSE format('%s different values in %s rows: the others will be set aside', c.different, f.rows) END
			WHERE s.file = f.file;
			CONTINUE;
		END IF;
		IF columns IS NOT NULL THEN
			UPDATE pg_temp.suggest_file s SET key = columns, key_told = 'no column by itself, these together tell the rows apart' WHERE s.file = f.file;
			CONTINUE;
		END IF;
		SELECT array_agg(k.ordinal ORDER BY k.ordinal) INTO columns FROM pg_temp.suggest_column k WHERE k.file = f.file AND k.filled = f.rows AND k.type <> 'text[]';
		UPDATE pg_temp.suggest_file s SET key = coalesce(columns[1:32], (SELECT ARRAY[k.ordinal] FROM pg_temp.suggest_column k WHERE k.file = f.file ORDER BY k.different DESC, k.ordinal LIMIT 1)),
			key_told = 'NO KEY was found: rows that are equal here are one row. Ask for an export with a number of its rows'
		WHERE s.file = f.file;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.suggest_keys() IS 'Chooses the key of each file.';

-- ---------- links ----------

-- How much the name of a column says that its values are those of another one.
CREATE FUNCTION syncup.is_named_for(name text, to_name text, to_entity text)
RETURNS boolean
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT n.name ~ '(manager|parent|owner|supervisor|boss|chief|reportsto|superior|member)'
		OR n.name = n.to_name OR length(n.to_name) > 3 AND n.name ~ (n.to_name || '$')
		OR length(n.to_entity) > 2 AND n.name LIKE '%' || n.to_entity || '%'
	FROM (SELECT regexp_replace(lower(is_named_for.name), '[^a-z]', '', 'g') AS name, regexp_replace(lower(to_name), '[^a-z]', '', 'g') AS to_name,
		regexp_replace(regexp_replace(regexp_replace(lower(to_entity), '^.*_', ''), '[^a-z]|s$', '', 'g'), 'ie$', 'y') AS to_entity) n
$$;
COMMENT ON FUNCTION syncup.is_named_for(text, text, text) IS 'Whether the name of a column speaks of another column, or of its table.';

CREATE FUNCTION syncup.count_found(copy name, column_name name, separator text, to_copy name, to_column name, match text, OUT hits bigint, OUT misses bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	same text := CASE match WHEN 'exact' THEN '%s' WHEN 'ignore_case' THEN 'lower(%s)' ELSE 'syncup.dn_or_null(%s)' END;
	percent float8;
BEGIN
	-- most columns are no links: a thousand rows tell so
	FOREACH percent IN ARRAY ARRAY[(SELECT 100000 / greatest(c.reltuples, 1) FROM pg_class c WHERE c.oid = to_regclass('pg_temp.' || copy)), 100] LOOP
		CONTINUE WHEN percent > 50 AND percent <> 100;
		EXECUTE format('SELECT count(*) FILTER (WHERE b.value IS NOT NULL), count(*) FILTER (WHERE b.value IS NULL)
			FROM (SELECT DISTINCT %s AS value FROM (SELECT %s AS v FROM pg_temp.%I a TABLESAMPLE BERNOULLI (%s) REPEATABLE (0) WHERE a.%I IS NOT NULL) AS a WHERE a.v <> '''') AS a
			LEFT JOIN (SELECT DISTINCT %s AS value FROM pg_temp.%I b) AS b ON a.value = b.value',
			format(same, 'a.v'),
			CASE WHEN separator IS NULL THEN format('a.%I', column_name)
				WHEN separator = E'\n' THEN format('regexp_split_to_table(a.%I, ''[\r\n]+'')', column_name)
				ELSE format('replace(regexp_split_to_table(a.%I, %L), %L, %L)', column_name, format('(?<!\\)%s', syncup.regexp_literal(separator)), '\' || separator, separator) END,
			copy, percent, column_name, format(same, format('b.%I', to_column)), to_copy)
		INTO hits, misses;
		EXIT WHEN hits < misses;
	END LOOP;
END
$$;
COMMENT ON FUNCTION syncup.count_found(name, name, text, name, name, text) IS 'How many different values of a column are in another one, and how many are not.';

CREATE FUNCTION syncup.dn_or_null(value text)
RETURNS text
LANGUAGE plpgsql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN syncup.dn_normal_form(value);
EXCEPTION WHEN data_exception THEN RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncup.dn_or_null(text) IS 'A distinguished name in its normal form; null: it is none.';

CREATE FUNCTION syncup.suggest_links()
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	p record;
	way record;
	counted record;
BEGIN
	FOR p IN
		SELECT a.file, a.ordinal, a.copy, a.separator, a.kind, fa.copy AS of, b.file AS to_file, b.ordinal AS to_ordinal, b.copy AS to_copy, fb.copy AS to_of,
			n.named, n.telling, b.ordinal = fb.key[1] AS to_key, b.kind AS to_kind
		FROM pg_temp.suggest_column a JOIN pg_temp.suggest_file fa ON fa.file = a.file AND fa.taken = 'entity'
		CROSS JOIN pg_temp.suggest_column b JOIN pg_temp.suggest_file fb ON fb.file = b.file AND fb.taken = 'entity' AND cardinality(fb.key) = 1
		CROSS JOIN LATERAL (SELECT syncup.is_named_for(a.name, b.name, fb.entity) AS named,
			b.kind ~ 'GUID|SID' OR b.kind ~ 'whole' AND b.ordinal = fb.key[1] AND a.different >= 20 AND syncup.all_values(fa.copy, a.copy, '^[0-9]{5,}$')
				OR syncup.all_values(fb.copy, b.copy, '^[A-Za-z]+ *=|^[^ ]+@[^ ]+$') AS telling) n
		WHERE (a.file, a.ordinal) <> (b.file, b.ordinal) AND a.filled > 0
			-- a file's own key says what its rows are, not whom they belong to
			AND NOT (a.ordinal = fa.key[1] AND cardinality(fa.key) = 1 AND a.is_unique AND (a.file = b.file OR fa.rows > 2 AND b.is_unique AND NOT n.named))
			AND a.kind !~ 'yes|zero|date|time|decimal|groups|nothing' AND (a.type = b.type OR a.separator IS NOT NULL OR a.kind = 'text' OR b.kind = 'text')
			AND (b.is_unique OR b.ordinal = fb.key[1] OR n.telling AND b.different >= 0.95 * fb.rows)
			AND (n.named OR n.telling OR b.ordinal = fb.key[1] AND a.longest >= 6 AND a.kind = 'text')
	LOOP
		FOR way IN
			SELECT m.match, s.separator FROM unnest(ARRAY['exact', 'dn', 'ignore_case']) WITH ORDINALITY m (match, place),
				unnest(ARRAY[p.separator, ';', '|']) WITH ORDINALITY s (separator, place)
			WHERE (m.match = 'exact' OR p.to_kind = 'text') AND (m.match <> 'dn' OR syncup.all_values(p.to_of, p.to_copy, '^[A-Za-z]+ *='))
				AND (s.place = 1 OR p.named AND p.separator IS NULL AND p.kind = 'text' AND NOT syncup.all_values(p.of, p.copy, format('^[^%s]*$', s.separator)))
			ORDER BY s.place, m.place
		LOOP
			counted := syncup.count_found(p.of, p.copy, way.separator, p.to_of, p.to_copy, way.match);
			IF counted.hits > 0 AND counted.misses <= 0.1 * counted.hits THEN
				INSERT INTO pg_temp.suggest_link
				VALUES (p.file, p.ordinal, p.to_file, p.to_ordinal, way.match, way.separator, counted.hits, counted.misses,
					counted.hits::numeric / (counted.hits + counted.misses) + CASE WHEN p.named THEN 1 ELSE 0 END + CASE WHEN p.telling THEN 1 ELSE 0 END
						+ CASE WHEN p.to_key THEN 0.5 ELSE 0 END - CASE way.match WHEN 'exact' THEN 0 ELSE 0.3 END);
				EXIT;
			END IF;
		END LOOP;
	END LOOP;

	-- Two columns that both link are a file of pairs, and nobody's other side.
	WITH linking AS (
		SELECT c.file FROM pg_temp.suggest_column c JOIN pg_temp.suggest_file f USING (file) WHERE f.taken = 'entity'
		GROUP BY c.file HAVING count(*) = 2 AND bool_and(EXISTS (SELECT FROM pg_temp.suggest_link l WHERE l.file = c.file AND l.ordinal = c.ordinal AND l.split IS NULL))
	), pairs AS (
		SELECT k.file FROM linking k JOIN pg_temp.suggest_column c USING (file)
		GROUP BY k.file HAVING bool_and(EXISTS (SELECT FROM pg_temp.suggest_link l WHERE l.file = c.file AND l.ordinal = c.ordinal AND l.split IS NULL
			AND l.to_file <> c.file AND l.to_file NOT IN (SELECT n.file FROM linking n)))
	)
	UPDATE pg_temp.suggest_file f SET taken = 'links' FROM pairs WHERE pairs.file = f.file;
	DELETE FROM pg_temp.suggest_link l USING pg_temp.suggest_file f WHERE f.file = l.to_file AND f.taken = 'links';

	-- the best of each column
	DELETE FROM pg_temp.suggest_link l
	USING (SELECT k.*, row_number() OVER (PARTITION BY k.file, k.ordinal ORDER BY k.strength DESC, k.to_file, k.to_ordinal) AS place FROM pg_temp.suggest_link k) r
	WHERE r.place > 1 AND (l.file, l.ordinal, l.to_file, l.to_ordinal) = (r.file, r.ordinal, r.to_file, r.to_ordinal);

	-- So are two of more columns, if nothing else tells the rows apart.
	UPDATE pg_temp.suggest_file f SET taken = 'links'
	FROM (SELECT c.file, count(l.ordinal) AS links, bool_or(c.is_unique) AS has_key, bool_or(l.split IS NOT NULL) AS split
		FROM pg_temp.suggest_column c LEFT JOIN pg_temp.suggest_link l USING (file, ordinal) GROUP BY c.file) c
	WHERE c.file = f.file AND f.taken = 'entity' AND c.links = 2 AND NOT c.has_key AND NOT coalesce(c.split, false) AND cardinality(f.key) > 1
		AND NOT EXISTS (SELECT FROM pg_temp.suggest_link l WHERE l.to_file = f.file);

	-- a key stays what it is, and links are told by keys of one column
	DELETE FROM pg_temp.suggest_link l USING pg_temp.suggest_file f
	WHERE f.file = l.file AND f.taken = 'entity' AND (l.ordinal = ANY (f.key) OR cardinality(f.key) > 1);
	-- links refer by the key, or by one of three more unique columns
	DELETE FROM pg_temp.suggest_link l
	USING (SELECT u.to_file, u.to_ordinal, row_number() OVER (PARTITION BY u.to_file ORDER BY u.strength DESC, u.to_ordinal) AS place
		FROM (SELECT k.to_file, k.to_ordinal, max(k.strength) AS strength FROM pg_temp.suggest_link k JOIN pg_temp.suggest_file f ON f.file = k.to_file
			WHERE k.to_ordinal <> f.key[1] GROUP BY 1, 2) u) r
	WHERE r.place > 3 AND (l.to_file, l.to_ordinal) = (r.to_file, r.to_ordinal);
	-- a file of pairs that lost a side has rows like any other
	UPDATE pg_temp.suggest_file f SET taken = 'entity'
	WHERE f.taken = 'links' AND (SELECT count(*) FROM pg_temp.suggest_link l WHERE l.file = f.file) <> 2;
END
$$;
COMMENT ON FUNCTION syncup.suggest_links() IS 'Finds columns whose values are those of a unique column, and files that hold nothing but pairs.';

-- ---------- what is printed ----------

CREATE FUNCTION syncup.name_in_sql(schema text, name text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT concat_ws('.', quote_ident(schema), quote_ident(name)) $$;
COMMENT ON FUNCTION syncup.name_in_sql(text, text) IS 'The name of a table, with its schema or not, quoted where it must be.';

CREATE FUNCTION syncup.in_comment(value text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT regexp_replace(value, '[[:cntrl:]]+', ' ', 'g') $$;
COMMENT ON FUNCTION syncup.in_comment(text) IS 'A text in one line: names of files and columns may hold line ends, which would end a comment.';

-- A call of one of the mapping functions: arguments that are null are left out.
CREATE FUNCTION syncup.call_in_sql(function text, arguments text[])
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT format('SELECT %s(%s);', function, string_agg(a, CASE WHEN starts_with(a, E'\n') THEN ',' ELSE ', ' END ORDER BY place)) || E'\n' FROM unnest(arguments) WITH ORDINALITY AS a (a, place) WHERE a IS NOT NULL $$;
COMMENT ON FUNCTION syncup.call_in_sql(text, text[]) IS 'A statement that calls a function with arguments as they stand.';

CREATE FUNCTION syncup.options_in_sql(options jsonb)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT 'options => ' || quote_literal(options::text) WHERE options <> '{}' $$;
COMMENT ON FUNCTION syncup.options_in_sql(jsonb) IS 'An argument "options"; null: there are none.';

CREATE FUNCTION syncup.suggested_columns(file int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format('%s: %s', to_json(c.name), CASE WHEN c.format IS NULL THEN to_json(c.target)::text ELSE format('{"column": %s, "format": %s}', to_json(c.target), to_json(c.format)) END), E',\n\t\t' ORDER BY c.ordinal)
	FROM pg_temp.suggest_column c LEFT JOIN pg_temp.suggest_link l USING (file, ordinal)
	WHERE c.file = suggested_columns.file AND l.file IS NULL
$$;
COMMENT ON FUNCTION syncup.suggested_columns(int) IS 'The argument "columns" of a mapping call, without what becomes a link.';

CREATE FUNCTION syncup.suggested_table(f int)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH line AS (
		SELECT c.ordinal, format('%I %s', c.target, CASE WHEN l.file IS NULL THEN c.type ELSE k.type END)
				|| CASE WHEN s.key = ARRAY[c.ordinal] THEN ' PRIMARY KEY' ELSE '' END AS definition,
			concat_ws('; ', CASE WHEN s.key = ARRAY[c.ordinal] THEN 'key: ' || s.key_told END,
				CASE WHEN l.file IS NULL THEN c.told
					ELSE format('link to %s: %s of %s different values are its %s', t.entity, l.found, l.found + l.missing, b.name) END,
				-- of a directory
				CASE WHEN c.name ~* '^(lastLogon(Timestamp|Date)?|logonCount|lastLogoff|badPwdCount|badPasswordTime)$' THEN 'LOOK: it changes with every logon, and with it many rows every night: better not mapped' END,
				CASE WHEN c.filled < s.rows AND s.key <> ARRAY[c.ordinal] AND c.filled > 0 THEN format('filled in %s of %s rows', c.filled, s.rows) END) AS told
		FROM pg_temp.suggest_file s JOIN pg_temp.suggest_column c USING (file)
		LEFT JOIN pg_temp.suggest_link l ON l.file = c.file AND l.ordinal = c.ordinal
		LEFT JOIN pg_temp.suggest_file t ON t.file = l.to_file
		LEFT JOIN pg_temp.suggest_column k ON k.file = l.to_file AND k.ordinal = t.key[1]
		LEFT JOIN pg_temp.suggest_column b ON b.file = l.to_file AND b.ordinal = l.to_ordinal
		WHERE s.file = f AND (l.file IS NULL OR l.split IS NULL)
	)
	SELECT format(E'CREATE TABLE %s (\n%s%s\n);\n', syncup.name_in_sql(s.schema, s.entity),
		(SELECT string_agg(E'\t' || l.definition || CASE WHEN cardinality(s.key) > 1 OR l.ordinal < (SELECT max(m.ordinal) FROM line m) THEN ',' ELSE '' END
			|| CASE WHEN l.told <> '' THEN '  -- ' || syncup.in_comment(l.told) ELSE '' END, E'\n' ORDER BY l.ordinal) FROM line l),
		CASE WHEN cardinality(s.key) > 1 THEN format(E'\n\tPRIMARY KEY (%s)  -- %s', (SELECT string_agg(quote_ident(c.target), ', ' ORDER BY c.ordinal)
			FROM pg_temp.suggest_column c WHERE c.file = s.file AND c.ordinal = ANY (s.key)), s.key_told) ELSE '' END)
	FROM pg_temp.suggest_file s WHERE s.file = f
$$;
COMMENT ON FUNCTION syncup.suggested_table(int) IS 'CREATE TABLE for a file, with what each column was guessed from.';

CREATE FUNCTION syncup.suggested_entity_type(f int, connector text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.call_in_sql('syncup_map_entity_type', ARRAY[quote_literal(connector), quote_literal(s.entity), quote_literal(syncup.name_in_sql(s.schema, s.entity)), quote_literal(s.base),
		(SELECT CASE WHEN count(*) = 1 THEN min(quote_literal(c.name)) ELSE format('ARRAY[%s]', string_agg(quote_literal(c.name), ', ' ORDER BY c.ordinal)) END
			FROM pg_temp.suggest_column c WHERE c.file = f AND c.ordinal = ANY (s.key)),
		E'\n\t' || quote_literal(E'{\n\t\t' || syncup.suggested_columns(f) || E'}'),
		(SELECT format('unique_keys => %L', array_agg(DISTINCT c.name)) FROM pg_temp.suggest_link l JOIN pg_temp.suggest_column c ON c.file = l.to_file AND c.ordinal = l.to_ordinal
			WHERE l.to_file = f AND l.to_ordinal <> ALL (s.key) HAVING count(*) > 0),
		syncup.options_in_sql(s.options || coalesce((SELECT jsonb_build_object('incremental_file', i.base, 'command_column', i.told)
				|| CASE WHEN i.options ? 'pattern' THEN '{"pattern": true}'::jsonb ELSE '{}' END
			FROM pg_temp.suggest_file i WHERE i.file = s.incremental), '{}'))])
	FROM pg_temp.suggest_file s WHERE s.file = f
$$;
COMMENT ON FUNCTION syncup.suggested_entity_type(int, text) IS 'The call that maps a file to its table.';

CREATE FUNCTION syncup.match_option(side int, match text)
RETURNS jsonb
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT CASE WHEN match = 'exact' THEN '{}' ELSE jsonb_build_object('match' || side, match) END $$;
COMMENT ON FUNCTION syncup.match_option(int, text) IS 'The option that says how an end of links compares.';

-- Links of a column of a file of rows: one each in a column of its table, several in a
-- table of their own.
CREATE FUNCTION syncup.suggested_link(f int, o int, connector text, OUT link_table text, OUT mapping text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN l.split IS NOT NULL THEN format(E'CREATE TABLE %s (\n\t%I %s,\n\t%I %s,  -- %s of %s different values are the %s of %s\n\tPRIMARY KEY (%2$I, %4$I)\n);\nCREATE INDEX ON %1$s (%4$I);\n', syncup.name_in_sql(s.schema, n.name),
			n.own, k.type, n.other, tk.type, l.found, l.found + l.missing, syncup.in_comment(b.name), syncup.in_comment(t.entity))
			ELSE format(E'CREATE INDEX ON %s (%I);  -- links of rows that go are looked for\n', syncup.name_in_sql(s.schema, s.entity), c.target) END,
		syncup.call_in_sql('syncup_map_association', ARRAY[quote_literal(connector), quote_literal(n.name), quote_literal(s.base),
			quote_literal(k.name), quote_literal(s.entity || '.' || k.name), quote_literal(c.name), quote_literal(t.entity || '.' || b.name),
			CASE WHEN l.split IS NULL THEN format('%L, target_column2 => %L', syncup.name_in_sql(s.schema, s.entity), c.target) ELSE format('%L, %L, %L', syncup.name_in_sql(s.schema, n.name), n.own, n.other) END,
			syncup.options_in_sql(s.options || syncup.match_option(2, l.match) || CASE WHEN l.split IS NULL THEN '{}' ELSE jsonb_build_object('split', l.split) END)])
	FROM pg_temp.suggest_link l
	JOIN pg_temp.suggest_file s USING (file)
	JOIN pg_temp.suggest_column c ON c.file = l.file AND c.ordinal = l.ordinal
	JOIN pg_temp.suggest_column k ON k.file = l.file AND k.ordinal = s.key[1]
	JOIN pg_temp.suggest_file t ON t.file = l.to_file
	JOIN pg_temp.suggest_column tk ON tk.file = t.file AND tk.ordinal = t.key[1]
	JOIN pg_temp.suggest_column b ON b.file = l.to_file AND b.ordinal = l.to_ordinal
	CROSS JOIN LATERAL (SELECT s.entity || '_' || c.target AS name, s.entity AS own,
		CASE WHEN c.target = s.entity THEN c.target || '_2' ELSE c.target END AS other) n
	WHERE l.file = f AND l.ordinal = o
$$;
COMMENT ON FUNCTION syncup.suggested_link(int, int, text) IS 'The call that maps a column of links, and the table or the index that it needs.';

CREATE FUNCTION syncup.suggested_pairs(f int, connector text, OUT link_table text, OUT mapping text)
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH e AS (
		SELECT row_number() OVER (ORDER BY l.ordinal)::int AS side, l.*, c.name, c.target, t.entity, k.type, b.name AS to_name
		FROM pg_temp.suggest_link l
		JOIN pg_temp.suggest_column c ON c.file = l.file AND c.ordinal = l.ordinal
		JOIN pg_temp.suggest_file t ON t.file = l.to_file
		JOIN pg_temp.suggest_column k ON k.file = t.file AND k.ordinal = t.key[1]
		JOIN pg_temp.suggest_column b ON b.file = l.to_file AND b.ordinal = l.to_ordinal
		WHERE l.file = f
	), more AS (
		SELECT c.*, s.key @> ARRAY[c.ordinal] AS tells_apart
		FROM pg_temp.suggest_column c JOIN pg_temp.suggest_file s USING (file)
		WHERE c.file = f AND NOT EXISTS (SELECT FROM e WHERE e.ordinal = c.ordinal)
	)
	SELECT format(E'CREATE TABLE %1$s (\n%2$s%3$s\tPRIMARY KEY (%4$s)\n);\nCREATE INDEX ON %1$s (%5$I);\n', syncup.name_in_sql(s.schema, s.entity),
			(SELECT string_agg(format(E'\t%I %s,  -- link to %s: %s of %s different values are its %s\n', e.target, e.type, syncup.in_comment(e.entity), e.found, e.found + e.missing, syncup.in_comment(e.to_name)), '' ORDER BY e.side) FROM e),
			(SELECT string_agg(format(E'\t%I %s,%s\n', m.target, m.type, '  -- ' || nullif(concat_ws('; ', CASE WHEN m.tells_apart THEN 'tells links of the same pair apart' END, m.told), '')), '' ORDER BY m.ordinal) FROM more m),
			(SELECT string_agg(quote_ident(p.target), ', ' ORDER BY p.place, p.ordinal) FROM (
				SELECT 1 AS place, e.ordinal, e.target FROM e UNION ALL SELECT 2, m.ordinal, m.target FROM more m WHERE m.tells_apart AND m.filled = s.rows) p),
			(SELECT e.target FROM e WHERE e.side = 2)),
		syncup.call_in_sql('syncup_map_association', ARRAY[quote_literal(connector), quote_literal(s.entity), quote_literal(s.base)]
			|| ARRAY(SELECT format('%L, %L', e.name, e.entity || '.' || e.to_name) FROM e ORDER BY e.side)
			|| ARRAY[quote_literal(syncup.name_in_sql(s.schema, s.entity))]
			|| ARRAY(SELECT quote_literal(e.target) FROM e ORDER BY e.side)
			|| syncup.options_in_sql(s.options
				|| (SELECT syncup.match_option(1, min(e.match) FILTER (WHERE e.side = 1)) || syncup.match_option(2, min(e.match) FILTER (WHERE e.side = 2)) FROM e)
				|| coalesce((SELECT jsonb_build_object('columns', jsonb_object_agg(m.name, CASE WHEN m.format IS NULL THEN to_jsonb(m.target) ELSE jsonb_build_object('column', m.target, 'format', m.format) END))
					FROM more m HAVING count(*) > 0), '{}')
				|| coalesce((SELECT jsonb_build_object('link_key', jsonb_agg(m.name ORDER BY m.ordinal)) FROM more m WHERE m.tells_apart HAVING count(*) > 0), '{}')))
	FROM pg_temp.suggest_file s WHERE s.file = f
$$;
COMMENT ON FUNCTION syncup.suggested_pairs(int, text) IS 'The table of links that a file of pairs fills, and the call that maps it.';

CREATE FUNCTION syncup.suggested_text(connector text, directory text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH link AS (
		SELECT l.file, l.ordinal, t.* FROM pg_temp.suggest_link l JOIN pg_temp.suggest_file s USING (file), syncup.suggested_link(l.file, l.ordinal, connector) t WHERE s.taken = 'entity'
	), pairs AS (
		SELECT s.file, t.* FROM pg_temp.suggest_file s, syncup.suggested_pairs(s.file, connector) t WHERE s.taken = 'links'
	)
	SELECT E'-- Proposed by syncup_suggest(). What stands after -- are guesses and what they rest on:\n-- read them, change what is wrong, run the rest. If a statement fails, nothing is made:\n-- mend it, and run all again.\n\n'
		|| (SELECT string_agg(format(E'-- %s: %s\n%s', syncup.in_comment(s.base),
				CASE WHEN s.rows IS NULL OR s.taken NOT IN ('entity', 'links') THEN CASE s.taken WHEN 'changes' THEN format('changes, told by column %s', syncup.in_comment(s.told)) ELSE 'left out: ' || syncup.in_comment(s.told) END
					ELSE format('%s rows', s.rows) END,
				(SELECT string_agg(format(E'--   %s\n', syncup.in_comment(e)), '') FROM unnest(s.evidence) e)), '' ORDER BY s.file) FROM pg_temp.suggest_file s)
		|| E'\nBEGIN;\nSET LOCAL client_min_messages = warning;\n\n' || coalesce((SELECT string_agg(syncup.suggested_table(s.file), E'\n' ORDER BY s.file) FROM pg_temp.suggest_file s WHERE s.taken = 'entity'), '')
		|| coalesce((SELECT string_agg(E'\n' || l.link_table, '' ORDER BY l.file, l.ordinal) FROM link l), '')
		|| coalesce((SELECT string_agg(E'\n' || p.link_table, '' ORDER BY p.file) FROM pairs p), '')
		|| E'\n' || syncup.call_in_sql('syncup_create_connector', ARRAY[quote_literal(connector), quote_literal(directory)])
		|| coalesce((SELECT string_agg(syncup.suggested_entity_type(s.file, connector), '' ORDER BY s.file) FROM pg_temp.suggest_file s WHERE s.taken = 'entity'), '')
		|| coalesce((SELECT string_agg(l.mapping, '' ORDER BY l.file, l.ordinal) FROM link l), '')
		|| coalesce((SELECT string_agg(p.mapping, '' ORDER BY p.file) FROM pairs p), '')
		|| coalesce((SELECT E'-- Few rows beside many: the limits of the connector would not see all of them go.\n'
				|| string_agg(format(E'SELECT syncup_set_thresholds(%L, ''{"max_percentage_deleted_lines": 5, "max_percentage_updated_lines": 20, "minimum_lines_for_percentage": 3}'', %L);\n', connector, s.entity), '' ORDER BY s.file)
			FROM (SELECT f.*, sum(f.rows) OVER () AS of FROM pg_temp.suggest_file f WHERE f.taken = 'entity') s
			WHERE s.rows <= 100 AND s.rows * 20 <= s.of HAVING count(*) > 0), '')
		|| format(E'\nCOMMIT;\n\n-- The first load: the tables are empty, so no limit applies.\nSELECT syncup_prepare(%1$L, ''initial'');\nSELECT status, inserted, links_inserted, orphans, set_aside FROM syncup_synchronize(%1$L);\n'
			|| E'\n-- Then every night and every quarter of an hour, guarded by the limits of syncup.threshold:\n-- SELECT job, syncup_schedule(job) FROM syncup_create_jobs(%1$L) AS job WHERE job !~ ''initial$'';\n', connector)
$$;
COMMENT ON FUNCTION syncup.suggested_text(text, text) IS 'The whole proposal, ready to run.';

CREATE FUNCTION syncup.suggest_end(connector text, directory text)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	answer text;
	f record;
BEGIN
	PERFORM syncup.suggest_series();
	SELECT s.path, s.told INTO f FROM pg_temp.suggest_file s WHERE NOT EXISTS (SELECT FROM pg_temp.suggest_file e WHERE e.taken = 'entity') ORDER BY s.file LIMIT 1;
	IF FOUND THEN
		RAISE 'nothing can be proposed for file "%"', f.path USING ERRCODE = 'data_exception', DETAIL = f.told,
			HINT = 'syncup_csv_sample() shows a file as it is read with other options.';
	END IF;
	PERFORM syncup.suggest_keys();
	PERFORM syncup.suggest_links();
	-- anew each time: the temporary tables are others
	EXECUTE 'SELECT syncup.suggested_text($1, $2)' INTO answer USING connector, directory;
	PERFORM syncup.suggest_clear();
	RETURN answer;
END
$$;
COMMENT ON FUNCTION syncup.suggest_end(text, text) IS 'What is proposed for the files looked at.';

CREATE FUNCTION syncup.suggested_connector(name text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT upper(coalesce(nullif(regexp_replace(name, '[^[:alnum:]_]', '', 'g'), ''), 'FILES')) $$;
COMMENT ON FUNCTION syncup.suggested_connector(text) IS 'The name of a connector for a table or a directory of this name.';

CREATE FUNCTION syncup_suggest(path text, table_name text, options jsonb DEFAULT '{}')
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text[];
BEGIN
	BEGIN
		name := parse_ident(table_name);
	EXCEPTION WHEN invalid_parameter_value THEN
		name := '{}';
	END;
	IF cardinality(name) NOT IN (1, 2) THEN
		RAISE '"%" is no name of a table', table_name USING ERRCODE = 'invalid_parameter_value', HINT = 'Give a name, or a schema and a name.';
	END IF;
	PERFORM syncup.suggest_begin();
	PERFORM syncup.suggest_file(path, CASE WHEN cardinality(name) = 2 THEN name[1] END, name[cardinality(name)], NULL, options);
	RETURN syncup.suggest_end(syncup.suggested_connector(name[cardinality(name)]), regexp_replace(path, '/[^/]*$', ''));
END
$$;
COMMENT ON FUNCTION syncup_suggest(text, text, jsonb) IS
'Proposes for an unknown file the table, the connector and the mapping, ready to run, with what each guess rests on. Options of 2.5 that are not given are guessed. All rows are looked at.';

CREATE FUNCTION syncup_suggest(directory text)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	f record;
	kinds CONSTANT text := '\.(csv|txt|tsv|tab|psv|dat|asc|lst)(\.gz)?$';
	others CONSTANT text := '\.(json|jsonl|ndjson|xml|xlsx|xlsm|xlsb|xls|ods|parquet|avro|ldif|zip)$';
	name text := regexp_replace(rtrim(directory, '/'), '.*/', '');
BEGIN
	PERFORM syncup.suggest_begin();
	FOR f IN SELECT d.path, d.modified, regexp_replace(d.path, '.*/', '') AS base FROM syncup.directory_files(directory) d WHERE d.path ~* kinds LOOP
		PERFORM syncup.suggest_file(f.path, NULL, regexp_replace(btrim(regexp_replace(lower(regexp_replace(f.base, kinds, '', 'i')), '[^a-z0-9]+', '_', 'g'), '_'), '^(?=[0-9]|$)', 't'), f.modified, '{}');
	END LOOP;
	IF f.path IS NULL AND NOT EXISTS (SELECT FROM pg_temp.suggest_file) THEN
		RAISE 'directory "%" holds no table of text', directory USING ERRCODE = 'undefined_file',
			HINT = 'Files are known by their suffix: csv, txt, tsv, tab, psv, dat, asc, lst, with .gz or not.';
	END IF;
	INSERT INTO pg_temp.suggest_file (file, path, base, evidence, taken, told)
	SELECT n.files + row_number() OVER (ORDER BY d.path COLLATE "C"), d.path, regexp_replace(d.path, '.*/', ''), '{}', 'left out', 'it is no table of text by its suffix: have it exported as CSV'
	FROM syncup.directory_files(directory) d, (SELECT count(*) AS files FROM pg_temp.suggest_file) n
	WHERE d.path ~* others;
	RETURN syncup.suggest_end(syncup.suggested_connector(name), rtrim(directory, '/'));
END
$$;
COMMENT ON FUNCTION syncup_suggest(text) IS
'The same for all tables of text in a directory, with the links between them.';
