-- What is looked for in a batch (SPEC 6.3): a row and a small function of each.
-- The functions of values are one expression each, which the statement that asks
-- it of every changed value takes in.

CREATE TABLE syncup.detector (
	rank int NOT NULL UNIQUE,
	detector text PRIMARY KEY,
	finding text NOT NULL,
	looks_at text NOT NULL CHECK (looks_at IN ('mapping', 'value', 'other column', 'column')),
	function text NOT NULL,
	holds text,
	told text,
	percent numeric,
	rows int NOT NULL,
	few_rows int,
	few_percent numeric,
	stored_percent numeric,
	meaning text NOT NULL,
	CHECK ((looks_at = 'column') = (holds IS NOT NULL)),
	CHECK ((looks_at = 'mapping') = (told IS NULL))
);
COMMENT ON TABLE syncup.detector IS 'What syncup_findings() looks for, and from where on it stands out; rank: of what explains as much, the most telling comes first.';
COMMENT ON COLUMN syncup.detector.finding IS 'the word for it in syncup_findings(), which several may share';
COMMENT ON COLUMN syncup.detector.looks_at IS
'what its function is given. value: (old text, new text) of a changed value, and returns in what way they differ, which is the same in all rows that show it; null: otherwise. other column: the same of what another column of the row held. column: (old text[], new text[]) of some rows, and returns what the function "holds" is asked with of each: (old text, new text, way text). mapping: (batch uuid, mapping text), and returns setof syncup.found';
COMMENT ON COLUMN syncup.detector.told IS 'what it does to the column, in words; %s: in what way';
COMMENT ON COLUMN syncup.detector.percent IS 'of the rows that change in the column (mapping: see its meaning), so many show it';
COMMENT ON COLUMN syncup.detector.rows IS 'at least so many rows; or few_rows, where those are few_percent of the rows stored before';
COMMENT ON COLUMN syncup.detector.stored_percent IS 'at least so many of the rows stored before, or most of what exceeds a limit; null: however few they are';

CREATE TYPE syncup.found AS (
	finding text,
	column_name name,
	rows bigint,
	message text,
	counter text,
	explains bigint,
	examples jsonb
);
COMMENT ON TYPE syncup.found IS
'What a detector of a mapping returns: finding (null: its own), column, how many show it, a sentence, how many of which counter that explains, and examples: [{"key", "old", "new"}].';

/* ---------- values ---------- */

CREATE FUNCTION syncup.common_prefix(a text, b text) RETURNS int
AS 'MODULE_PATHNAME', 'syncup_common_prefix' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.common_prefix(text, text) IS
'The number of characters that both values begin with.';

CREATE FUNCTION syncup.date_parts(value text) RETURNS text
AS 'MODULE_PATHNAME', 'syncup_date_parts' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.date_parts(text) IS
'Day, month and year of a date in ascending order, the year without its century, and a time that is not midnight; null: it is no date.';

CREATE FUNCTION syncup.date_second(value text) RETURNS double precision
AS 'MODULE_PATHNAME', 'syncup_date_second' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.date_second(text) IS
'The second that an ISO date or timestamp means, without its time zone; null: it is none.';

-- In Unicode also no-break and zero-width spaces and a stray byte order mark.
CREATE FUNCTION syncup.without_blanks(value text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN regexp_replace(value, CASE WHEN getdatabaseencoding() = 'UTF8' THEN '[\s\u00a0\u200b\u202f\ufeff]+' ELSE '\s+' END, '', 'g');
COMMENT ON FUNCTION syncup.without_blanks(text) IS
'A value without any blanks.';

CREATE FUNCTION syncup.bare_key(key text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN lower(CASE WHEN char_length(key) >= 32 AND key ~ '^([{}() -]*[0-9A-Fa-f]){32}[{}() -]*$' THEN regexp_replace(key, '[{}() -]+', '', 'g')
	ELSE syncup.without_blanks(key) END);
COMMENT ON FUNCTION syncup.bare_key(text) IS
'A key in lower case and without blanks; a GUID also without braces and dashes.';

CREATE FUNCTION syncup.detect_emptied(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN old <> '' AND coalesce(new, '') = '' THEN '' END;
COMMENT ON FUNCTION syncup.detect_emptied(text, text) IS
'A value that goes.';

CREATE FUNCTION syncup.detect_filled(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN coalesce(old, '') = '' AND new <> '' THEN '' END;
COMMENT ON FUNCTION syncup.detect_filled(text, text) IS
'A value where there was none.';

CREATE FUNCTION syncup.detect_shifted(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN old IS NOT DISTINCT FROM new THEN '' END;
COMMENT ON FUNCTION syncup.detect_shifted(text, text) IS
'The value that another column held.';

CREATE FUNCTION syncup.detect_blanks(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN syncup.without_blanks(old) = syncup.without_blanks(new) THEN '' END;
COMMENT ON FUNCTION syncup.detect_blanks(text, text) IS
'The same but for blanks.';

CREATE FUNCTION syncup.detect_case(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN lower(old) = lower(new) OR lower(syncup.without_blanks(old)) = lower(syncup.without_blanks(new)) THEN '' END;
COMMENT ON FUNCTION syncup.detect_case(text, text) IS
'The same but for upper and lower case.';

CREATE FUNCTION syncup.detect_midnight(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN char_length(old) <> char_length(new) AND (starts_with(old, new) OR starts_with(new, old)) AND syncup.date_parts(old) = syncup.date_parts(new) THEN '' END;
COMMENT ON FUNCTION syncup.detect_midnight(text, text) IS
'The same date, with or without a midnight.';

CREATE FUNCTION syncup.detect_date_separators(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN translate(old, '-./T', '') = translate(new, '-./T', '') AND syncup.date_parts(old) = syncup.date_parts(new) THEN '' END;
COMMENT ON FUNCTION syncup.detect_date_separators(text, text) IS
'The same date but for its separators.';

CREATE FUNCTION syncup.detect_date_order(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN old <> new AND syncup.date_parts(old) = syncup.date_parts(new) THEN '' END;
COMMENT ON FUNCTION syncup.detect_date_order(text, text) IS
'The same date in another order of day, month and year.';

CREATE FUNCTION syncup.detect_moved(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN old <> new THEN nullif(justify_hours(make_interval(secs => syncup.date_second(new) - syncup.date_second(old)))::text, '00:00:00') END;
COMMENT ON FUNCTION syncup.detect_moved(text, text) IS
'By how long a date or timestamp moves.';

CREATE FUNCTION syncup.detect_leading_zeros(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN ltrim(old, '0') = ltrim(new, '0') AND old <> '' AND new <> '' THEN '' END;
COMMENT ON FUNCTION syncup.detect_leading_zeros(text, text) IS
'The same but for leading zeros.';

CREATE FUNCTION syncup.detect_number(value text) RETURNS numeric
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN char_length(value) <= 100 AND value ~ '^ *[-+]?[0-9]+(\.[0-9]+)? *$' THEN value::numeric END;
COMMENT ON FUNCTION syncup.detect_number(text) IS
'The number that a text is; null: it is none.';

CREATE FUNCTION syncup.detect_number_zeros(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN syncup.detect_number(old) = syncup.detect_number(new) THEN '' END;
COMMENT ON FUNCTION syncup.detect_number_zeros(text, text) IS
'The same number with other zeros or signs.';

CREATE FUNCTION syncup.detect_rounded(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN char_length(old) <> char_length(new) AND char_length(old || new) <= 100 AND old ~ '^[-+]?[0-9]+(\.[0-9]+)?$' AND new ~ '^[-+]?[0-9]+(\.[0-9]+)?$'
	THEN CASE WHEN abs(old::double precision - new::double precision)
		< power(10::double precision, -least(char_length(split_part(old, '.', 2)), char_length(split_part(new, '.', 2)))::double precision) THEN '' END END;
COMMENT ON FUNCTION syncup.detect_rounded(text, text) IS
'The same number to the last digit of the shorter one.';

CREATE FUNCTION syncup.detect_scientific(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (old ~ '[eE]') <> (new ~ '[eE]')
	AND char_length(old || new) <= 100 AND old ~ '^[-+]?[0-9]+([.,][0-9]+)?([eE][-+]?[0-9][0-9]?)?$' AND new ~ '^[-+]?[0-9]+([.,][0-9]+)?([eE][-+]?[0-9][0-9]?)?$'
	THEN CASE WHEN abs(replace(old, ',', '.')::numeric - replace(new, ',', '.')::numeric) * 100 <= abs(replace(old, ',', '.')::numeric) THEN '' END END;
COMMENT ON FUNCTION syncup.detect_scientific(text, text) IS
'The same number within 1 %, one of both in scientific notation.';

CREATE FUNCTION syncup.detect_number_separators(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN old ~ '^[-+]?[0-9][0-9.,''\s]*$' AND new ~ '^[-+]?[0-9][0-9.,''\s]*$'
	AND translate(syncup.without_blanks(old), '.,''+', '') = translate(syncup.without_blanks(new), '.,''+', '') THEN '' END;
COMMENT ON FUNCTION syncup.detect_number_separators(text, text) IS
'The same digits with other decimal or group separators.';

CREATE FUNCTION syncup.detect_guid(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN char_length(new) BETWEEN 32 AND 40 AND lower(replace(btrim(old, ' {}()'), '-', '')) = lower(replace(btrim(new, ' {}()'), '-', ''))
	AND char_length(replace(btrim(new, ' {}()'), '-', '')) = 32 THEN '' END;
COMMENT ON FUNCTION syncup.detect_guid(text, text) IS
'The same GUID with other braces or dashes.';

CREATE FUNCTION syncup.detect_entities(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN position('&' IN old || new) > 0
	AND regexp_replace(replace(replace(replace(replace(old, '&amp;', '&'), '&amp;', '&'), '&lt;', '<'), '&gt;', '>'), '&(quot|apos|#0*39|#0*34|#x0*2[27]);|["'']', '"', 'gi')
		= regexp_replace(replace(replace(replace(replace(new, '&amp;', '&'), '&amp;', '&'), '&lt;', '<'), '&gt;', '>'), '&(quot|apos|#0*39|#0*34|#x0*2[27]);|["'']', '"', 'gi') THEN '' END;
COMMENT ON FUNCTION syncup.detect_entities(text, text) IS
'The same but for characters written as entities (&amp;).';

CREATE FUNCTION syncup.detect_quotes(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN translate(old, '"''\', '') = translate(new, '"''\', '') THEN '' END;
COMMENT ON FUNCTION syncup.detect_quotes(text, text) IS
'The same but for quotes or backslashes.';

CREATE FUNCTION syncup.detect_encoding(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN (octet_length(old) <> char_length(old) OR octet_length(new) <> char_length(new) OR old || new ~ '[^\x01-\x7F]')
	AND regexp_replace(old, '[^\x01-\x7F]+|\?', '', 'g') = regexp_replace(new, '[^\x01-\x7F]+|\?', '', 'g') THEN '' END;
COMMENT ON FUNCTION syncup.detect_encoding(text, text) IS
'The same but for characters beyond ASCII: those of two bytes read as two, or a question mark for each.';

CREATE FUNCTION syncup.detect_cut(old text, new text) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN CASE WHEN new <> '' AND starts_with(old, new) AND old <> new THEN char_length(new)::text END;
COMMENT ON FUNCTION syncup.detect_cut(text, text) IS
'The beginning of what was there: how many characters are left.';

CREATE FUNCTION syncup.detect_suffix(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN syncup.common_prefix(old, new) > 0 AND char_length(old) - syncup.common_prefix(old, new) <= 60 AND char_length(new) - syncup.common_prefix(old, new) <= 60
	THEN format('"%s" -> "%s"', substr(old, syncup.common_prefix(old, new) + 1), substr(new, syncup.common_prefix(old, new) + 1)) END;
COMMENT ON FUNCTION syncup.detect_suffix(text, text) IS
'The same beginning: which end becomes which.';

CREATE FUNCTION syncup.detect_prefix(old text, new text) RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
RETURN CASE WHEN syncup.common_prefix(reverse(old), reverse(new)) > 0
	AND char_length(old) - syncup.common_prefix(reverse(old), reverse(new)) <= 60 AND char_length(new) - syncup.common_prefix(reverse(old), reverse(new)) <= 60
	THEN format('"%s" -> "%s"', left(old, char_length(old) - syncup.common_prefix(reverse(old), reverse(new))),
		left(new, char_length(new) - syncup.common_prefix(reverse(old), reverse(new)))) END;
COMMENT ON FUNCTION syncup.detect_prefix(text, text) IS
'The same end: which beginning becomes which.';

/* ---------- columns ---------- */

-- Two or three values must take the place of more.
CREATE FUNCTION syncup.detect_constants(old text[], new text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT (array_agg(v.way::text ORDER BY v.count))[1]
	FROM (
		SELECT jsonb_agg(n.value) OVER w AS way, count(*) OVER w AS count, sum(n.rows) OVER w AS rows
		FROM (
			SELECT value, count(*) AS rows FROM unnest(new) AS value WHERE value <> ''
			GROUP BY value ORDER BY 2 DESC, value COLLATE "C" LIMIT 3
		) AS n
		WINDOW w AS (ORDER BY n.rows DESC, n.value COLLATE "C" ROWS UNBOUNDED PRECEDING)
	) AS v
	WHERE v.rows * 100 >= CASE v.count WHEN 1 THEN 70 ELSE 90 END * cardinality(new)
		AND (v.count = 1 OR (SELECT count(DISTINCT value) FROM unnest(old) AS value) > 3 * v.count)
$$;
COMMENT ON FUNCTION syncup.detect_constants(text[], text[]) IS
'One to three values that make up most of the new ones, as an array.';

CREATE FUNCTION syncup.detect_constant(old text, new text, way text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN way::jsonb ? new;
COMMENT ON FUNCTION syncup.detect_constant(text, text, text) IS
'Whether a new value is one of those that syncup.detect_constants() has found.';

CREATE FUNCTION syncup.detect_pairs(old text[], new text[])
RETURNS jsonb
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT jsonb_object_agg(p.o, p.n ORDER BY p.rows DESC, p.o COLLATE "C")
	FROM (
		SELECT c.o, c.n, count(*) AS rows,
			row_number() OVER (PARTITION BY c.o ORDER BY count(*) DESC, c.n COLLATE "C") AS place_of_old,
			row_number() OVER (PARTITION BY c.n ORDER BY count(*) DESC, c.o COLLATE "C") AS place_of_new
		FROM unnest(old, new) AS c (o, n)
		WHERE c.o <> '' AND c.n <> ''
		GROUP BY c.o, c.n
	) AS p
	WHERE p.place_of_old = 1 AND p.place_of_new = 1
	HAVING count(*) BETWEEN 2 AND 50 AND sum(p.rows) * 100 >= 70 * cardinality(new) AND sum(p.rows) >= 4 * count(*)
$$;
COMMENT ON FUNCTION syncup.detect_pairs(text[], text[]) IS
'Which value becomes which, where that is one to one and each of them is the value of several rows: as an object.';

CREATE FUNCTION syncup.detect_recoding(old text[], new text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p::text FROM syncup.detect_pairs(old, new) AS p WHERE NOT EXISTS (SELECT FROM jsonb_each_text(p) v WHERE p ? v.value)
$$;
COMMENT ON FUNCTION syncup.detect_recoding(text[], text[]) IS
'The same where the values that come are others than those that go.';

CREATE FUNCTION syncup.detect_exchange(old text[], new text[])
RETURNS text
LANGUAGE sql STABLE PARALLEL SAFE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT p::text FROM syncup.detect_pairs(old, new) AS p WHERE EXISTS (SELECT FROM jsonb_each_text(p) v WHERE p ? v.value)
$$;
COMMENT ON FUNCTION syncup.detect_exchange(text[], text[]) IS
'The same where one takes the place of another, as in a flag that is inverted: of few rows that is what happens every day.';

CREATE FUNCTION syncup.detect_recoded(old text, new text, way text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN way::jsonb ->> old = new;
COMMENT ON FUNCTION syncup.detect_recoded(text, text, text) IS
'Whether a value becomes what syncup.detect_recoding() has found.';

CREATE FUNCTION syncup.detect_any(old text[], new text[]) RETURNS text
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN '';
COMMENT ON FUNCTION syncup.detect_any(text[], text[]) IS
'Whatever changes.';

CREATE FUNCTION syncup.detect_change(old text, new text, way text) RETURNS boolean
LANGUAGE sql IMMUTABLE PARALLEL SAFE
RETURN true;
COMMENT ON FUNCTION syncup.detect_change(text, text, text) IS
'Whatever changes.';

/* ---------- the detectors ---------- */

INSERT INTO syncup.detector (rank, detector, finding, looks_at, function, holds, told, percent, rows, few_rows, few_percent, stored_percent, meaning) VALUES
	(10, 'file almost empty', 'file almost empty', 'mapping', 'syncup.find_file_almost_empty', NULL, NULL, 10, 10, NULL, NULL, NULL,
		'a full extract gives at most "percent" of the rows stored before, where "rows" were stored'),
	(20, 'keys in another spelling', 'keys in another spelling', 'mapping', 'syncup.find_keys_respelled', NULL, NULL, NULL, 1, NULL, NULL, 1,
		'deleted keys come back among the inserted ones in another spelling'),
	(30, 'file cut', 'file cut', 'mapping', 'syncup.find_file_cut', NULL, NULL, 75, 10, NULL, NULL, 1,
		'"percent" of the deleted keys are a run of the keys: nearly none between them stays'),
	(40, 'columns shifted', 'columns shifted', 'other column', 'syncup.detect_shifted', NULL, 'gets what "%s" held', 75, 10, 3, 50, 1,
		'the column holds what another column held, not always the same value; swapped: in both directions'),
	(50, 'column emptied', 'column emptied', 'value', 'syncup.detect_emptied', NULL, 'loses its value', 75, 20, 3, 50, 1,
		'the column had a value and has none any more'),
	(60, 'column filled', 'column filled', 'value', 'syncup.detect_filled', NULL, 'gets a value where it had none', 75, 20, 3, 50, 1,
		'the column had no value and has one'),
	(70, 'blanks', 'format changed', 'value', 'syncup.detect_blanks', NULL, 'differs only in blanks', 75, 10, 3, 50, 1,
		'old and new value are the same but for blanks, Unicode''s too'),
	(80, 'case', 'format changed', 'value', 'syncup.detect_case', NULL, 'differs only in upper and lower case', 75, 10, 3, 50, 1,
		'the same but for upper and lower case'),
	(90, 'midnight', 'format changed', 'value', 'syncup.detect_midnight', NULL, 'differs only in a midnight after dates', 75, 10, 3, 50, 1,
		'the same date, with or without a midnight'),
	(100, 'separators of dates', 'format changed', 'value', 'syncup.detect_date_separators', NULL, 'differs only in separators of dates', 75, 10, 3, 50, 1,
		'the same date with other separators'),
	(110, 'order of dates', 'format changed', 'value', 'syncup.detect_date_order', NULL, 'differs only in the order of day, month and year', 75, 10, 3, 50, 1,
		'the same date in another order'),
	(120, 'leading zeros', 'format changed', 'value', 'syncup.detect_leading_zeros', NULL, 'differs only in leading zeros', 75, 10, 3, 50, 1,
		'the same but for leading zeros'),
	(130, 'zeros of numbers', 'format changed', 'value', 'syncup.detect_number_zeros', NULL, 'differs only in zeros or signs of numbers', 75, 10, 3, 50, 1,
		'the same number with other zeros or signs'),
	(140, 'digits of numbers', 'format changed', 'value', 'syncup.detect_rounded', NULL, 'differs only in the digits that numbers are rounded to', 75, 10, 3, 50, 1,
		'the same number, one of both rounded or cut'),
	(150, 'scientific notation', 'format changed', 'value', 'syncup.detect_scientific', NULL, 'differs only in scientific notation', 75, 10, 3, 50, 1,
		'the same number within 1 %, one of both in scientific notation'),
	(160, 'separators of numbers', 'format changed', 'value', 'syncup.detect_number_separators', NULL, 'differs only in decimal or group separators of numbers', 75, 10, 3, 50, 1,
		'the same digits with other separators'),
	(170, 'GUIDs', 'format changed', 'value', 'syncup.detect_guid', NULL, 'differs only in braces or dashes of GUIDs', 75, 10, 3, 50, 1,
		'the same GUID with other braces or dashes'),
	(180, 'entities', 'format changed', 'value', 'syncup.detect_entities', NULL, 'differs only in characters written as entities', 75, 10, 3, 50, 1,
		'the same but for entities, escaped once more or less'),
	(190, 'quotes', 'format changed', 'value', 'syncup.detect_quotes', NULL, 'differs only in quotes or backslashes', 75, 10, 3, 50, 1,
		'the same but for quotes or backslashes'),
	(200, 'encoding', 'format changed', 'value', 'syncup.detect_encoding', NULL, 'differs only in characters beyond ASCII, as text of another encoding does', 75, 10, 3, 50, 1,
		'the same but for characters beyond ASCII'),
	(210, 'moved in time', 'moved in time', 'value', 'syncup.detect_moved', NULL, 'moves by %s', 75, 10, 3, 50, 1,
		'dates or timestamps move by one and the same time'),
	(220, 'constant value', 'constant value', 'column', 'syncup.detect_constants', 'syncup.detect_constant', 'becomes %s', 75, 20, NULL, NULL, 1,
		'the column gets one to three values; more than one only in the place of many others'),
	(230, 'values recoded', 'values recoded', 'column', 'syncup.detect_recoding', 'syncup.detect_recoded', 'is recoded one to one: %s', 75, 10, 3, 50, 1,
		'each value becomes another one, the same everywhere'),
	(235, 'values exchanged', 'values recoded', 'column', 'syncup.detect_exchange', 'syncup.detect_recoded', 'is recoded one to one: %s', 75, 10, NULL, NULL, 20,
		'the same where values take the place of one another, in many of the rows stored'),
	(240, 'values cut', 'values cut', 'value', 'syncup.detect_cut', NULL, 'is cut to %s characters', 75, 10, 3, 50, 1,
		'the column keeps its beginning, of one and the same length'),
	(250, 'suffix changed', 'suffix changed', 'value', 'syncup.detect_suffix', NULL, 'ends otherwise: %s', 75, 10, 3, 50, 1,
		'one end of values becomes another one, the same everywhere'),
	(260, 'prefix changed', 'prefix changed', 'value', 'syncup.detect_prefix', NULL, 'begins otherwise: %s', 75, 10, 3, 50, 1,
		'one beginning of values becomes another one, the same everywhere'),
	(270, 'rows in common', 'rows in common', 'mapping', 'syncup.find_rows_in_common', NULL, NULL, 75, 10, NULL, NULL, 1,
		'"percent" of the deleted, or of the inserted, rows have a value, or the end of a name or path, that nearly no other row has'),
	(280, 'file cut in another order', 'file cut', 'mapping', 'syncup.find_file_cut_otherwise', NULL, NULL, 75, 10, NULL, NULL, 1,
		'the same of the values of another column, where the keys are no run'),
	(285, 'links lost', 'links lost', 'mapping', 'syncup.find_links_lost', NULL, NULL, 90, 1, NULL, NULL, NULL,
		'resources of side 1 of a link table, of 20 links or more, that lose "percent" of them, or more than their limit'),
	(290, 'ends not found', 'ends not found', 'mapping', 'syncup.find_ends_not_found', NULL, NULL, 1, 10, NULL, NULL, NULL,
		'more than "percent" of the pairs read have an end that is not found, and had not'),
	(300, 'column changed everywhere', 'column changed everywhere', 'column', 'syncup.detect_any', 'syncup.detect_change', 'changes', 90, 10, NULL, NULL, 90,
		'the column changes in "stored_percent" of the rows stored before'),
	(310, 'rows set aside', 'rows set aside', 'mapping', 'syncup.find_rows_set_aside', NULL, NULL, 1, 10, NULL, NULL, NULL,
		'more than "percent" of the rows read, or more than "rows" times as many as in the last applied batch');
