-- What the columns of an unknown file hold: which type takes all their values, and
-- how they are written. Looked at in a temporary copy of the file, whole.

CREATE VIEW syncup.value_kind AS
SELECT row_number() OVER (ORDER BY k.place, k.kind, w.place, t.place)::int AS place, k.kind, replace(k.pattern, '%s', w.pattern || t.pattern) AS pattern, k.witness,
	coalesce(k.type, CASE t.place WHEN 1 THEN 'date' ELSE 'timestamp' END) AS type, k.format || w.format || t.format AS format, k.told
FROM (VALUES
	(1, '', 'word for yes and no', '(?i)^(true|false|yes|no|y|n|t|f|oui|non)$', NULL, 'boolean', 'bool', 'words for yes and no'),
	(1, '', 'word for yes and no, of a spreadsheet', '(?i)^(ja|nein|wahr|falsch|vrai|faux|si|no|verdadero|falso|vero)$', NULL, 'boolean', 'bool:ja|wahr|vrai|si|verdadero|vero/nein|falsch|faux|no|falso', 'words for yes and no'),
	(2, '', 'zero and one', '^[01]$', NULL, 'boolean', NULL, 'only 0 and 1'),
	(3, '', 'FILETIME', '^(0|9223372036854775807|1[0-9]{17})$', '^1[0-9]{17}$', 'timestamptz', 'filetime', '18 digits: a FILETIME'),
	(4, '', 'compact date', '^(19|20)[0-9]{2}(0[1-9]|1[0-2])(0[1-9]|[12][0-9]|3[01])$', NULL, 'date', NULL, 'dates of eight digits'),
	(5, '', 'whole number', '^(0|-?[1-9][0-9]{0,9})$', NULL, 'int', NULL, 'whole numbers'),
	(6, '', 'large whole number', '^(0|-?[1-9][0-9]{0,18})$', NULL, 'bigint', NULL, 'large whole numbers'),
	(7, '', 'decimal number', '^-?(0|[1-9][0-9]*)(\.[0-9]+)?$', NULL, 'numeric', NULL, 'decimal numbers'),
	(8, '', 'number with decimal comma', '^[-+]?[0-9]+(,[0-9]+)?$', '(^|[-+])0[0-9]*,|,([0-9]{1,2}|[0-9]{4,})$', 'numeric', 'number:,', 'numbers with a decimal comma'),
	(9, '', 'number with groups and decimal comma', '^[-+]?[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?$', ',', 'numeric', 'number:,.', 'numbers with a decimal comma and points between thousands'),
	(9, '', 'number with groups, decimal comma and sign behind', '^[0-9]{1,3}(\.[0-9]{3})*(,[0-9]+)?[- ]?$', ',[0-9]+-$', 'numeric', 'number:,.-', 'numbers with a decimal comma, points between thousands and signs behind'),
	(10, '', 'number with groups and sign behind', '^[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?[- ]?$', '\.[0-9]+-$', 'numeric', 'number:.,-', 'numbers with commas between thousands and signs behind'),
	(10, '', 'number with groups', '^[-+]?[0-9]{1,3}(,[0-9]{3})*(\.[0-9]+)?$', '\.|,[0-9]{3},', 'numeric', 'number:.,', 'numbers with commas between thousands'),
	(11, '', 'GUID', '^\{?[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}\}?$', NULL, 'uuid', NULL, 'GUIDs'),
	(12, '', 'GUID in base64', '^[A-Za-z0-9+/]{21}[AQgw]==$', NULL, 'uuid', 'guid:base64', 'GUIDs in base64, 16 octets as a directory stores them'),
	(13, '', 'SID in base64', '^AQ[EIMQUYcgkosw048]AAAAA[A-Za-z0-9+/]+=*$', NULL, 'text', 'sid', 'SIDs in base64'),
	(14, '', 'generalized time', '^[0-9]{10,14}([.,][0-9]+)?(Z|[-+][0-9]{2}([0-9]{2})?)$', NULL, 'timestamptz', 'generalizedtime', 'generalized times'),
	(15, '', 'date', '^[0-9]{4}-[0-9]{2}-[0-9]{2}$', NULL, 'date', NULL, 'dates, ISO'),
	(16, '', 'timestamp', '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)?$', NULL, 'timestamp', NULL, 'times without a zone, ISO'),
	(17, '', 'timestamp with zone', '^[0-9]{4}-[0-9]{2}-[0-9]{2}[ T][0-9]{2}:[0-9]{2}(:[0-9]{2}([.][0-9]+)?)? ?(Z|[-+][0-9]{2}(:?[0-9]{2})?)$', NULL, 'timestamptz', NULL, 'times with a zone, ISO'),
	(18, 'dmy', 'date, day first', '^%s$', '^(1[3-9]|2[0-9]|3[01])', NULL, 'datetime:', 'dates; a day above 12 proves that it comes first'),
	(19, 'mdy', 'date, month first', '^%s$', '^[0-9]+.(1[3-9]|2[0-9]|3[01])', NULL, 'datetime:', 'dates; a day above 12 proves that the month comes first'),
	(20, '', 'time of day', '^([01]?[0-9]|2[0-3]):[0-5][0-9](:[0-5][0-9])?$', NULL, 'time', NULL, 'times of day')
) AS k (place, parts, kind, pattern, witness, type, format, told)
CROSS JOIN LATERAL (
	SELECT 1, '', '' WHERE k.parts = ''
	UNION ALL
	SELECT s.place, format('[0-9]{1,2}%1$s[0-9]{1,2}%1$s[0-9]{4}', s.pattern),
		CASE k.parts WHEN 'dmy' THEN format('DD%1$sMM%1$sYYYY', s.separator) ELSE format('MM%1$sDD%1$sYYYY', s.separator) END
	FROM (VALUES (1, '\.', '.'), (2, '/', '/'), (3, '-', '-')) AS s (place, pattern, separator) WHERE k.parts <> ''
) AS w (place, pattern, format)
CROSS JOIN LATERAL (
	SELECT 1, '', '' WHERE true
	UNION ALL
	SELECT t.place, t.pattern, t.format
	FROM (VALUES (2, ' [0-9]{1,2}:[0-9]{2}', ' HH24:MI'), (3, ' [0-9]{1,2}:[0-9]{2}:[0-9]{2}', ' HH24:MI:SS')) AS t (place, pattern, format) WHERE k.parts <> ''
) AS t (place, pattern, format);
COMMENT ON VIEW syncup.value_kind IS
'How values are known, the first that fits: all match pattern, one at least matches witness, and each is taken by type after format. The next kind is a row.';

CREATE FUNCTION syncup.fits_kind(relation regclass, column_name name, k syncup.value_kind)
RETURNS boolean
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET timezone = 'UTC'
AS $$
DECLARE
	fits boolean;
BEGIN
	EXECUTE format('SELECT bool_and(%1$I ~ $1) AND ($2 IS NULL OR bool_or(%1$I ~ $2)) AND (count(DISTINCT %1$I) = 2 AND count(%1$I) >= 5 OR $3 <> ''boolean'') FROM %2$s', column_name, relation)
	INTO fits USING k.pattern, k.witness, k.type;
	IF fits THEN
		EXECUTE format('SELECT count(CAST(%s AS %s)) FROM %s',
			CASE WHEN k.format IS NULL THEN quote_ident(column_name) ELSE format('@extschema@.syncup_format(%I, %L)', column_name, k.format) END,
			k.type, relation);
	END IF;
	RETURN coalesce(fits, false);
EXCEPTION
	WHEN data_exception THEN RETURN false;
END
$$;
COMMENT ON FUNCTION syncup.fits_kind(regclass, name, syncup.value_kind) IS 'Whether all values of a column are of a kind.';

CREATE FUNCTION syncup.list_separator(relation regclass, column_name name)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	separator text;
	fits boolean;
BEGIN
	FOREACH separator IN ARRAY ARRAY[E'\n', ';', '|'] LOOP
		-- the next question is dear
		EXECUTE format('SELECT count(*) FILTER (WHERE translate(v.%1$I, $1, '''') <> v.%1$I) >= greatest(1, 0.02 * count(*)) FROM %2$s v WHERE v.%1$I IS NOT NULL', column_name, relation)
		INTO fits USING CASE separator WHEN E'\n' THEN E'\r\n' ELSE separator END;
		CONTINUE WHEN NOT fits;
		-- several cells hold several, and all parts look alike: names with a prefix, of
		-- attributes, or words without blanks
		EXECUTE format($q$
			SELECT count(*) FILTER (WHERE cardinality(c.parts) > 1) >= greatest(1, 0.02 * count(*))
				AND (bool_and(c.parts::text[] <@ ARRAY(SELECT p FROM unnest(c.parts) p WHERE p ~ '^[A-Za-z][A-Za-z0-9]*:[^/]'))
					OR bool_and(c.parts::text[] <@ ARRAY(SELECT p FROM unnest(c.parts) p WHERE p ~ '^[A-Za-z]+='))
					OR bool_and(c.parts::text[] <@ ARRAY(SELECT p FROM unnest(c.parts) p WHERE p ~ '^[^[:space:]]+$')))
			FROM (SELECT CASE WHEN $1 = E'\n' THEN array_remove(regexp_split_to_array(v.%1$I, '[\r\n]+'), '')
					ELSE array_remove(regexp_split_to_array(v.%1$I, $2), '') END AS parts
				FROM %2$s v WHERE v.%1$I IS NOT NULL) AS c
			$q$, column_name, relation)
		INTO fits USING separator, format('(?<!\\)%s', syncup.regexp_literal(separator));
		IF fits THEN
			RETURN separator;
		END IF;
	END LOOP;
	RETURN NULL;
END
$$;
COMMENT ON FUNCTION syncup.list_separator(regclass, name) IS 'What separates several values in the cells of a column; null: they hold one.';

-- The copy has columns c1, c2, ... for those that a query can name.
CREATE FUNCTION syncup.load_copy(path text, options jsonb, relation name, names text[], OUT rows bigint, OUT empty bigint)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('CREATE TEMPORARY TABLE %I ON COMMIT DROP AS SELECT %s FROM @extschema@.syncup_read_csv(%L, %L) AS f (%s)', relation,
		(SELECT string_agg(format('f.%I AS c%s', n.name, n.ordinality), ', ') FROM unnest(names) WITH ORDINALITY n (name)), path, options,
		(SELECT string_agg(format('%I text', n.name), ', ') FROM unnest(names) n (name)));
	GET DIAGNOSTICS rows = ROW_COUNT;
	-- spreadsheets end with rows of nothing
	EXECUTE format('DELETE FROM pg_temp.%I v WHERE num_nonnulls(%s) = 0', relation, (SELECT string_agg('v.c' || n, ', ') FROM generate_series(1, cardinality(names)) n));
	GET DIAGNOSTICS empty = ROW_COUNT;
	rows := rows - empty;
	EXECUTE format('ANALYZE %I', relation);
END
$$;
COMMENT ON FUNCTION syncup.load_copy(text, jsonb, name, text[]) IS 'A temporary table with the texts of a file; how many rows it has, and how many of the file were left out, since nothing stands in them.';

CREATE FUNCTION syncup.profile_column(relation regclass, column_name name, OUT filled bigint, OUT different bigint, OUT longest int,
	OUT kind text, OUT type text, OUT format text, OUT told text, OUT separator text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	sample text[];
	k syncup.value_kind;
BEGIN
	EXECUTE format('SELECT count(%1$I), count(DISTINCT %1$I COLLATE "C"), max(length(%1$I)) FROM %2$s', column_name, relation) INTO filled, different, longest;
	type := 'text';
	IF filled = 0 THEN
		kind := 'nothing';
		told := 'empty in every row';
		RETURN;
	END IF;
	EXECUTE format('SELECT array_agg(v) FROM (SELECT DISTINCT %1$I FROM %2$s WHERE %1$I IS NOT NULL LIMIT 200) AS s (v)', column_name, relation) INTO sample;
	FOR k IN SELECT * FROM syncup.value_kind v ORDER BY v.place LOOP
		CONTINUE WHEN EXISTS (SELECT FROM unnest(sample) s (value) WHERE s.value !~ k.pattern);
		IF syncup.fits_kind(relation, column_name, k) THEN
			SELECT k.kind, k.type, k.format, k.told INTO kind, type, format, told;
			RETURN;
		END IF;
	END LOOP;
	kind := 'text';
	separator := syncup.list_separator(relation, column_name);
	IF separator IS NOT NULL THEN
		kind := 'list';
		type := 'text[]';
		format := 'multivaluedtext' || CASE WHEN separator <> E'\n' THEN ':' || separator ELSE '' END;
		told := 'several values in a cell';
	ELSIF NOT EXISTS (SELECT FROM unnest(sample) s (value) WHERE s.value !~ '^[0-9]+$') AND EXISTS (SELECT FROM unnest(sample) s (value) WHERE s.value ~ '^0[0-9]') THEN
		told := 'digits with leading zeros stay text';
	ELSIF NOT EXISTS (SELECT FROM unnest(sample) s (value) WHERE s.value !~ '^[0-9]{1,2}[-./][0-9]{1,2}[-./][0-9]{4}') THEN
		told := 'perhaps dates: no day above 12 tells day from month';
	ELSIF NOT EXISTS (SELECT FROM unnest(sample) s (value) WHERE s.value !~ '^-?[0-9]{1,3}([.,][0-9]{3})+$') THEN
		told := 'perhaps numbers: nothing tells decimals from thousands';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.profile_column(regclass, name) IS
'What a column of text holds: filled cells, different ones, the longest, the kind of its values, the type and format that take them, what tells so, and what separates several in a cell.';

CREATE FUNCTION syncup_csv_sample(path text, options jsonb DEFAULT '{}')
RETURNS TABLE (ordinal int, name text, filled numeric, different bigint, row1 text, row2 text, row3 text, row4 text, row5 text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	dialect record := syncup.csv_dialect(path, options);
	all_options jsonb := options || dialect.options;
	names text[];
BEGIN
	IF dialect.trouble IS NOT NULL THEN
		RAISE 'file "%" cannot be looked at', path USING ERRCODE = 'data_exception', DETAIL = dialect.trouble;
	END IF;
	names := syncup.csv_columns(path, all_options);
	RETURN QUERY EXECUTE format($q$
		WITH f AS MATERIALIZED (SELECT row_number() OVER () AS row, f.* FROM @extschema@.syncup_read_csv($1, $2) AS f (%s))
		SELECT h.ordinal, h.name, round(100.0 * c.filled / nullif(c.rows, 0), 1), c.different,
			left(c.firsts[1], 60), left(c.firsts[2], 60), left(c.firsts[3], 60), left(c.firsts[4], 60), left(c.firsts[5], 60)
		FROM @extschema@.syncup_csv_header($1, $2) h
		LEFT JOIN (%s) AS c (name, rows, filled, different, firsts) USING (name)
		ORDER BY h.ordinal $q$,
		(SELECT string_agg(format('%I text', n.name), ', ') FROM unnest(names) n (name)),
		(SELECT string_agg(format('SELECT %L, count(*), count(f.%I), count(DISTINCT f.%I), array_agg(f.%I ORDER BY f.row) FILTER (WHERE f.row <= 5) FROM f', n.name, n.name, n.name, n.name), ' UNION ALL ')
			FROM unnest(names) n (name)))
	USING path, all_options;
END
$$;
COMMENT ON FUNCTION syncup_csv_sample(text, jsonb) IS
'What an unknown file holds: a row per column, with the share of filled cells in percent, the number of different values, and the cells of the first five rows, cut at 60 characters. Options of 2.5 that are not given are guessed.';
