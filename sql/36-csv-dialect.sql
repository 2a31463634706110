-- What an unknown file is like: its dialect and what its columns hold. Guesses, each
-- with its evidence, for syncup_suggest() and syncup_csv_sample(); they read with the
-- caller's rights.

CREATE FUNCTION syncup.file_ends(path text, options jsonb, size int, OUT head bytea, OUT tail bytea, OUT encoding text)
AS 'MODULE_PATHNAME', 'syncup_file_ends' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.file_ends(text, jsonb, int) IS
'So many bytes of both ends of a file, decompressed, and the encoding that its byte order mark or the options tell.';

CREATE FUNCTION syncup.directory_files(directory text)
RETURNS TABLE (path text, size bigint, modified timestamptz)
AS 'MODULE_PATHNAME', 'syncup_directory_files' LANGUAGE C VOLATILE STRICT PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup.directory_files(text) IS 'The ordinary files of a directory on the server, hidden ones apart, in C order of their names.';

CREATE FUNCTION syncup.regexp_literal(value text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT regexp_replace(value, '([^[:alnum:][:space:]_])', '\\\1', 'g') $$;
COMMENT ON FUNCTION syncup.regexp_literal(text) IS 'A regular expression that this text alone matches.';

-- ---------- the dialect ----------

CREATE FUNCTION syncup.csv_columns(path text, options jsonb)
RETURNS text[]
LANGUAGE sql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT array_agg(h.name ORDER BY h.ordinal) FROM (
		SELECT h.ordinal, h.name, count(*) OVER (PARTITION BY h.name) AS times FROM @extschema@.syncup_csv_header(path, options) h
	) AS h
	WHERE h.times = 1 AND btrim(h.name) <> '' AND octet_length(h.name) < 64
$$;
COMMENT ON FUNCTION syncup.csv_columns(text, jsonb) IS 'The columns of a file that a query can name: of a name of their own, of at most 63 bytes.';

CREATE FUNCTION syncup.csv_trouble(path text, options jsonb)
RETURNS text
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	EXECUTE format('SELECT count(*) FROM @extschema@.syncup_read_csv($1, $2) AS f (%s)',
		(SELECT string_agg(format('%I text', c.name), ', ') FROM unnest(syncup.csv_columns(path, options)) c (name)))
	USING path, options;
	RETURN NULL;
EXCEPTION
	WHEN insufficient_privilege OR query_canceled OR undefined_file THEN RAISE;
	WHEN OTHERS THEN RETURN sqlstate;
END
$$;
COMMENT ON FUNCTION syncup.csv_trouble(text, jsonb) IS 'Reads a whole file: null if that works, else the SQLSTATE.';

-- How regular a text is where delimiter and quote are these: the width that most
-- lines have, and their share; less, if the first does not have it.
CREATE FUNCTION syncup.csv_regularity(content text, delimiter text, quote text, OUT width int, OUT score numeric, OUT first_line int, OUT uneven boolean, OUT blanks boolean)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH flat AS (
		-- what is quoted has neither delimiters nor line ends
		SELECT CASE WHEN quote = '' THEN content ELSE regexp_replace(content,
			format('(^|\n|%1$s)( *)%2$s(?:[^%3$s\\]|%2$s%2$s|\\.)*%2$s(?= *(?:%1$s|\n|$))', syncup.regexp_literal(delimiter), syncup.regexp_literal(quote), quote),
			'\1\2Q', 'g') END AS text
	), line AS (
		SELECT l.text, l.number, (length(l.text) - length(replace(l.text, delimiter, ''))) / length(delimiter) + 1 AS width
		FROM flat, regexp_split_to_table(flat.text, '\n') WITH ORDINALITY AS l (text, number)
		WHERE btrim(l.text) <> ''
	), usual AS (
		SELECT l.width, count(*) AS lines, min(l.number) AS first_line FROM line l GROUP BY 1 ORDER BY 2 DESC, 1 DESC LIMIT 1
	)
	-- the more fields the better; lines before them, and a first one that holds no names, tell against it
	SELECT u.width, u.lines::numeric / (SELECT count(*) FROM line)
			* CASE WHEN u.width = 1 THEN 0.1 ELSE 1 - 1.2 / u.width END
			* CASE WHEN EXISTS (SELECT FROM line l WHERE l.number < u.first_line) THEN 0.9 ELSE 1 END
			* (SELECT CASE WHEN bool_or(c.cell ~ '[=@]') THEN 0.6 WHEN count(*) = count(DISTINCT c.cell) AND coalesce(bool_and(c.cell ~ '[[:alpha:]]'), true) THEN 1 ELSE 0.75 END
				FROM line l, string_to_table(l.text, delimiter) c (cell) WHERE l.number = u.first_line AND NOT (c.cell = 'Q' AND u.width > 1)),
		u.first_line::int, EXISTS (SELECT FROM line l WHERE l.number > u.first_line AND l.number < (SELECT max(m.number) FROM line m) AND l.width < u.width),
		EXISTS (SELECT FROM line l WHERE l.text ~ format('(^|%1$s) +Q(%1$s|$)|(^|%1$s)Q +(%1$s|$)', syncup.regexp_literal(delimiter)))
	FROM usual u
$$;
COMMENT ON FUNCTION syncup.csv_regularity(text, text, text) IS
'How well a delimiter and a quote explain a text: fields of most lines, a score up to 1, the first line of that width, whether shorter ones follow before the last, whether blanks stand outside of quotes.';

CREATE FUNCTION syncup.text_of(bytes bytea, encodings text[], OUT content text, OUT encoding text)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	FOREACH encoding IN ARRAY encodings LOOP
		-- the last character may be cut
		FOR cut IN 0 .. least(3, octet_length(bytes)) LOOP
			BEGIN
				content := convert_from(substr(bytes, 1, octet_length(bytes) - cut), encoding);
				RETURN;
			EXCEPTION WHEN character_not_in_repertoire OR untranslatable_character THEN NULL;
			END;
		END LOOP;
	END LOOP;
	content := '';
	encoding := NULL;
END
$$;
COMMENT ON FUNCTION syncup.text_of(bytea, text[]) IS 'Bytes as text, in the first of these encodings that fits.';

CREATE FUNCTION syncup.csv_signs(content text)
RETURNS text[]
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(array_agg(DISTINCT s.sign), '{}')
	FROM (SELECT l.line FROM string_to_table(left(content, 20000), E'\n') l (line) WHERE l.line <> '' LIMIT 4) l
	CROSS JOIN LATERAL (SELECT m[1] AS sign FROM regexp_matches(l.line, '[|~^;,!#$%&*+]{2,4}', 'g') m) s
$$;
COMMENT ON FUNCTION syncup.csv_signs(text) IS 'Signs that stand together in the first lines, which may be a delimiter.';

-- How a cell looks: its letters and digits, whatever they are.
CREATE FUNCTION syncup.cell_shape(cell text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$ SELECT regexp_replace(regexp_replace(regexp_replace(cell, '[[:lower:]]+', 'a', 'g'), '[[:upper:]]+', 'A', 'g'), '[0-9]+', '9', 'g') $$;
COMMENT ON FUNCTION syncup.cell_shape(text) IS 'A cell with a sign for each run of small letters, capitals and digits.';

CREATE FUNCTION syncup.csv_trailer(last_line text, line_before text, usual_width int, delimiter text, quote text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- sums of columns stand under them, and are others each time
	SELECT '^' || syncup.regexp_literal(t.cell || delimiter)
	FROM (SELECT split_part(last_line, delimiter, 1) AS cell) t
	WHERE usual_width > 1 AND btrim(t.cell, ' *"''') ~* '^(grand ?)?(totals?|sums?|summe|gesamt(summe)?|endsumme|ergebnis|insgesamt|somme|totale|suma) *:?$'
		AND substr(last_line, length(t.cell) + 1) !~ '[[:alpha:]]'
		AND (length(last_line) - length(replace(last_line, delimiter, ''))) / length(delimiter) + 1 = usual_width
	UNION ALL
	SELECT CASE WHEN n.numbers = 1 THEN regexp_replace(n.pattern, '0*[0-9]+', '0*([0-9]+)')
		ELSE regexp_replace(n.pattern, '[0-9]+', '[0-9]+', 'g') END
	FROM (SELECT '^' || syncup.regexp_literal(last_line) || '$' AS pattern, (SELECT count(*) FROM regexp_matches(last_line, '[0-9]+', 'g')) AS numbers) n
	WHERE usual_width > 1 AND (quote = '' OR position(quote IN last_line) = 0)
		-- a row that was cut begins like the others
		AND syncup.cell_shape(split_part(last_line, delimiter, 1)) <> syncup.cell_shape(btrim(split_part(line_before, delimiter, 1), quote))
		AND (length(last_line) - length(replace(last_line, delimiter, ''))) / length(delimiter) + 1 <> usual_width
$$;
COMMENT ON FUNCTION syncup.csv_trailer(text, text, int, text, text) IS
'A last line that is no row as the option "trailer" describes it, its only number as the number of rows; null: it is a row.';

-- Options that are tried one after the other until a file can be read whole.
CREATE FUNCTION syncup.csv_remedies(options jsonb, uneven boolean)
RETURNS TABLE (remedy jsonb, told text)
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT r.remedy, r.told
	FROM (VALUES
		('{}'::jsonb, NULL::text, true),
		('{"quoting": "lenient"}', 'quoting lenient: quotes stand inside values', true),
		('{"short_rows": "pad"}', 'short_rows pad: cells are missing at the ends of rows', uneven),
		('{"quoting": "lenient", "short_rows": "pad"}', 'quoting lenient, short_rows pad: quotes stand inside values, cells are missing at the ends of rows', uneven),
		('{"quote": ""}', 'no quotes: they belong to the values', NOT options ? 'quote'),
		('{"on_error": "quarantine"}', 'on_error quarantine: some rows cannot be read as the others', true),
		('{"on_error": "quarantine", "quoting": "lenient"}', 'on_error quarantine: some rows cannot be read as the others', true)
	) r (remedy, told, possible)
	WHERE r.possible
$$;
COMMENT ON FUNCTION syncup.csv_remedies(jsonb, boolean) IS 'What is tried where a file cannot be read whole as it seemed, the mildest first.';

CREATE FUNCTION syncup.csv_dialect(path text, given jsonb, OUT options jsonb, OUT evidence text[], OUT trouble text)
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	size CONSTANT int := 262144;
	ends record;
	content text;
	raw text;
	no_row text;
	encoding text := given ->> 'encoding';
	best record;
	lines text[];
	first text;
	trailer text;
	attempt jsonb;
	told text;
	guesses text[];
BEGIN
	options := '{}';
	evidence := '{}';
	BEGIN
		ends := syncup.file_ends(path, given, size);
	EXCEPTION
		WHEN invalid_parameter_value THEN RAISE;
		WHEN data_exception THEN
			trouble := sqlerrm;
			RETURN;
	END;
	trouble := CASE WHEN substr(ends.head, 1, 4) = '\x504b0304' THEN 'it is a workbook or another zip file: save it as CSV, or read it through xlsx2csv'
		WHEN substr(ends.head, 1, 5) = '%PDF-' THEN 'it is a PDF file' END;
	IF trouble IS NOT NULL THEN
		RETURN;
	END IF;

	-- bytes
	IF encoding IS NULL AND position('\x00'::bytea IN ends.head) > 0 THEN
		encoding := CASE WHEN position('\x00'::bytea IN ends.head) % 2 = 0 THEN 'UTF-16LE' ELSE 'UTF-16BE' END;
		options := jsonb_build_object('encoding', encoding);
		evidence := evidence || format('encoding %s: every other byte is zero', encoding);
		ends := syncup.file_ends(path, given || options, size);
	END IF;
	IF ends.encoding LIKE 'UTF%16%' THEN
		guesses := ARRAY[getdatabaseencoding()];
	ELSE
		guesses := CASE WHEN encoding IS NOT NULL THEN ARRAY[encoding] ELSE ARRAY['UTF8', 'WIN1252', 'LATIN1'] END;
	END IF;
	SELECT * INTO content, encoding FROM syncup.text_of(ends.head, guesses);
	IF encoding IN ('WIN1252', 'LATIN1') AND NOT given ? 'encoding' THEN
		options := jsonb_build_object('encoding', encoding);
		evidence := evidence || format('encoding %s: the bytes are no UTF-8; look at names with accents', encoding);
	END IF;
	content := regexp_replace(content, '\r\n?', E'\n', 'g');
	-- of a file that goes on, whole lines
	IF octet_length(ends.head) = size THEN
		content := substr(content, 1, length(content) - position(E'\n' IN reverse(content)));
	END IF;
	IF content ~ '^#' AND NOT given ? 'comment' THEN
		options := options || '{"comment": "#"}';
		evidence := evidence || 'comment #: lines begin with it'::text;
	END IF;
	raw := content;
	no_row := '^' || syncup.regexp_literal(coalesce(given ->> 'comment', options ->> 'comment'));
	IF no_row IS NOT NULL THEN
		-- lines keep their numbers
		content := regexp_replace(content, no_row || '.*$', '', 'gn');
	END IF;
	IF given ? 'skip_lines' THEN
		content := regexp_replace(content, format('^([^\n]*\n){%s}', given ->> 'skip_lines'), '');
		raw := content;
	END IF;

	-- delimiter and quote
	SELECT d.delimiter, q.quote, r.* INTO best
	FROM unnest(CASE WHEN given ? 'delimiter' THEN ARRAY[given ->> 'delimiter']
			ELSE ARRAY[',', ';', E'\t', '||', '::', ';;'] || syncup.csv_signs(content) || ARRAY['|', '^', '~', ':', E'\x1f', E'\x01'] END) WITH ORDINALITY d (delimiter, place)
		CROSS JOIN unnest(CASE WHEN given ? 'quote' THEN ARRAY[given ->> 'quote'] ELSE ARRAY['"', ''''] END) WITH ORDINALITY q (quote, place)
		CROSS JOIN LATERAL syncup.csv_regularity(content, d.delimiter, q.quote) r
		CROSS JOIN LATERAL (SELECT syncup.regexp_literal(d.delimiter) AS literal) l
		-- what begins with a quote and ends with it (twice, where it holds another), and what begins with it
		LEFT JOIN LATERAL (SELECT (SELECT count(*) + count(*) FILTER (WHERE m[1] ~ '''') FROM regexp_matches(content, format('(?:^|\n|%1$s)''((?:[^''\\]|''''|\\.)*)''(?=%1$s|\n|$)', l.literal), 'g') m) AS whole,
			(SELECT count(*) FROM regexp_matches(content, format('(?:^|\n|%s)''', l.literal), 'g')) AS begun) s ON q.quote = ''''
	WHERE q.quote <> '''' OR given ? 'quote' OR s.whole > 0 AND content !~ format('(^|\n|%1$s)"[^"]*"(%1$s|\n|$)', l.literal)
	-- where | stands in pairs only, two are one delimiter
	ORDER BY r.score * CASE WHEN length(d.delimiter) > 1 THEN CASE WHEN r.width > 1 AND length(replace(content, d.delimiter, '')) - length(replace(replace(content, d.delimiter, ''), left(d.delimiter, 1), ''))
				< 0.02 * (length(content) - length(replace(content, d.delimiter, ''))) THEN 1.5 ELSE 0.2 END ELSE 1 END DESC,
		CASE WHEN r.width > 1 THEN CASE WHEN s.whole > 1 AND s.whole >= s.begun THEN 1 ELSE q.place * -1 END END DESC, length(d.delimiter) DESC, d.place
	LIMIT 1;
	IF best.delimiter <> ',' AND NOT given ? 'delimiter' AND best.width > 1 THEN
		options := options || jsonb_build_object('delimiter', best.delimiter);
		evidence := evidence || format('delimiter %s: it makes %s fields of the lines', to_json(best.delimiter), best.width);
	END IF;
	IF best.quote <> '"' AND NOT given ? 'quote' THEN
		options := options || jsonb_build_object('quote', best.quote);
		evidence := evidence || 'quote: values stand between single quotes'::text;
	END IF;
	IF NOT given ? 'escape' AND best.quote <> '' AND content ~ format('\\%s', best.quote) AND content !~ '""[^,;\t|\r\n]' THEN
		options := options || '{"escape": "\\"}';
		evidence := evidence || 'escape \: it stands before quotes inside values'::text;
	END IF;
	IF NOT given ? 'trim' AND best.blanks THEN
		options := options || '{"trim": " "}';
		evidence := evidence || 'trim blank: blanks stand outside of quotes'::text;
	END IF;

	-- lines that are no rows
	IF best.first_line > 1 AND best.width > 1 AND NOT given ? 'skip_lines'
		AND EXISTS (SELECT FROM unnest((string_to_array(raw, E'\n'))[1:best.first_line - 1]) l WHERE no_row IS NULL OR l !~ no_row) THEN
		options := options || jsonb_build_object('skip_lines', best.first_line - 1);
		evidence := evidence || format('skip_lines %s: the first lines have another number of fields', best.first_line - 1);
	END IF;
	first := (string_to_array(content, E'\n'))[best.first_line];
	IF NOT given ? 'header' AND EXISTS (
			SELECT FROM unnest(string_to_array(first, best.delimiter)) c (cell)
			WHERE btrim(c.cell, ' "''') ~ '^([-+]?[0-9]+([.,][0-9]+)*|[0-9]{1,4}[-./][0-9]{1,2}[-./][0-9]{1,4}.*|[0-9a-fA-F]{8}(-[0-9a-fA-F]{4}){3}-[0-9a-fA-F]{12}|[^ ]+@[^ ]+\.[^ ]+|)$'
				AND (btrim(c.cell, ' "''') <> '' OR first ~ format('^%s', syncup.regexp_literal(best.delimiter)))) THEN
		options := options || '{"header": false}';
		evidence := evidence || 'header false: the first line holds values'::text;
	END IF;
	lines := regexp_split_to_array(rtrim((syncup.text_of(ends.tail, CASE WHEN ends.encoding LIKE 'UTF%16%' THEN guesses ELSE ARRAY[encoding, 'LATIN1'] END)).content, E'\r\n\t '), '\r\n|\n|\r');
	IF NOT given ? 'trailer' THEN
		trailer := syncup.csv_trailer(lines[cardinality(lines)], lines[cardinality(lines) - 1], best.width, best.delimiter, best.quote);
		IF trailer IS NULL AND best.quote <> '' AND position(best.quote IN lines[cardinality(lines)]) = 0 AND best.width > cardinality(string_to_array(lines[cardinality(lines)], best.delimiter)) THEN
			evidence := evidence || format('LOOK: the last line has %s of %s fields; is this file whole?', cardinality(string_to_array(lines[cardinality(lines)], best.delimiter)), best.width);
		END IF;
	END IF;

	-- whether all of it can be read so
	FOREACH attempt IN ARRAY CASE WHEN trailer IS NULL THEN ARRAY['{}'::jsonb]
			ELSE ARRAY[jsonb_build_object('trailer', trailer), jsonb_build_object('trailer', replace(trailer, '0*([0-9]+)', '[0-9]+')), '{}'] END LOOP
		FOR attempt, told IN SELECT attempt || r.remedy, r.told FROM syncup.csv_remedies(given || options, best.uneven) r
				WHERE NOT given ?| ARRAY(SELECT jsonb_object_keys(r.remedy)) LOOP
			IF syncup.csv_trouble(path, given || options || attempt) IS NULL THEN
				options := options || attempt;
				evidence := evidence || told || CASE WHEN attempt ? 'trailer' THEN 'trailer: the last line is no row' || CASE WHEN attempt ->> 'trailer' ~ '\(' THEN '; its number is that of the rows' ELSE '' END END;
				evidence := array_remove(evidence, NULL);
				RETURN;
			END IF;
		END LOOP;
	END LOOP;
	trouble := 'it cannot be read as a table';
END
$$;
COMMENT ON FUNCTION syncup.csv_dialect(text, jsonb) IS
'The options of 2.5 with which a file can be read, beside those given, what each was guessed from, and why it cannot be read.';
