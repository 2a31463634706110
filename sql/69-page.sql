-- The report of a batch as a page of HTML, for somebody who knows neither SQL nor
-- syncup; and the page over all connectors and jobs (SPEC 2.3).
--
-- A page is one file: no script, nothing from elsewhere, which its own policy
-- forbids a browser as well. Every value goes through page_escape(). Each section
-- is a function, and reads with the rights of whoever looks.

/* ---------- values ---------- */

CREATE FUNCTION syncup.page_escape(value text)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	-- what is not seen, and what turns the direction of writing
	hidden CONSTANT text := CASE WHEN getdatabaseencoding() = 'UTF8' THEN '[\u00ad\u061c\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]' END;
	plain text := value COLLATE "default";
	character text;
BEGIN
	plain := replace(replace(replace(replace(replace(plain, '&', '&amp;'), '<', '&lt;'), '>', '&gt;'), '"', '&quot;'), '''', '&#39;');
	-- what stands between headings: see page_table()
	plain := replace(plain, '|', '&#124;');
	IF plain ~ hidden THEN
		FOR character IN SELECT DISTINCT m[1] FROM regexp_matches(plain, '(' || hidden || ')', 'g') AS m LOOP
			plain := replace(plain, character, format('<span class="hidden">U+%s</span>', lpad(upper(to_hex(ascii(character))), 4, '0')));
		END LOOP;
	END IF;
	RETURN regexp_replace(plain, '[[:cntrl:]]+', ' ', 'g');
END
$$;
COMMENT ON FUNCTION syncup.page_escape(text) IS
'A text as HTML; characters that are not seen, or turn the direction of writing, are named.';

CREATE FUNCTION syncup.page_value(value text, width int DEFAULT 80)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN CASE WHEN btrim(value) = '' THEN '<span class="none">blank</span>'
		ELSE '<bdi>' || syncup.page_escape(syncup.shorten(value, width)) || '</bdi>' END;
END
$$;
COMMENT ON FUNCTION syncup.page_value(text, int) IS
'A value of the data as HTML, of at most so many characters.';

CREATE FUNCTION syncup.page_cell(value text, width int DEFAULT 80)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	RETURN coalesce(syncup.page_value(value, width), '<span class="none">empty</span>');
END
$$;
COMMENT ON FUNCTION syncup.page_cell(text, int) IS
'The same of a value that may be null, which is said.';

CREATE FUNCTION syncup.page_difference(old text, new text)
RETURNS text[]
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	context CONSTANT int := 30;		-- characters shown of what both have
	ahead int;
	behind int;
	value text;
	differs text;
	marked text[] := '{}';
BEGIN
	-- The longest common beginning, then the longest common end of what is left.
	ahead := syncup.common_prefix(old, new);
	behind := syncup.common_prefix(reverse(substr(old, ahead + 1)), reverse(substr(new, ahead + 1)));
	IF coalesce(ahead + behind, 0) = 0 THEN
		RETURN ARRAY[syncup.page_cell(old), syncup.page_cell(new)];
	END IF;
	FOREACH value IN ARRAY ARRAY[old, new] LOOP
		differs := substr(value, ahead + 1, char_length(value) - ahead - behind);
		marked := marked || ('<bdi>'
			|| CASE WHEN ahead > context THEN '&hellip;' ELSE '' END || syncup.page_escape(right(left(value, ahead), context))
			|| CASE WHEN differs = '' THEN '' ELSE '<mark>' || replace(syncup.page_escape(syncup.shorten(differs, 80)), ' ', '&nbsp;') || '</mark>' END
			|| syncup.page_escape(left(right(value, behind), context)) || CASE WHEN behind > context THEN '&hellip;' ELSE '' END
			|| '</bdi>');
	END LOOP;
	RETURN marked;
END
$$;
COMMENT ON FUNCTION syncup.page_difference(text, text) IS
'Old and new value as HTML, what differs between them marked.';

CREATE FUNCTION syncup.page_number(value numeric)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(btrim(replace(to_char(value, '999G999G999G999G990'), ' ', '')), '&ndash;')
$$;
COMMENT ON FUNCTION syncup.page_number(numeric) IS
'A whole number for a person.';

CREATE FUNCTION syncup.page_time(value timestamptz)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN value IS NULL THEN '&ndash;' ELSE format('<time datetime="%s">%s</time>', to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'), to_char(value AT TIME ZONE 'UTC', 'YYYY-MM-DD HH24:MI "UTC"')) END
$$;
COMMENT ON FUNCTION syncup.page_time(timestamptz) IS
'A time as HTML, in UTC.';

CREATE FUNCTION syncup.page_size(bytes numeric)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN bytes >= 1e9 THEN round(bytes / 1e9, 1) || ' GB' WHEN bytes >= 1e6 THEN round(bytes / 1e6, 1) || ' MB'
		WHEN bytes >= 1e3 THEN round(bytes / 1e3, 1) || ' kB' ELSE coalesce(bytes || ' B', '&ndash;') END
$$;
COMMENT ON FUNCTION syncup.page_size(numeric) IS
'A number of bytes for a person.';

CREATE FUNCTION syncup.page_age(age interval)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN age IS NULL THEN '&ndash;'
		WHEN s.seconds >= 172800 THEN floor(s.seconds / 86400) || ' days'
		WHEN s.seconds >= 7200 THEN floor(s.seconds / 3600) || ' hours'
		ELSE floor(greatest(s.seconds, 0) / 60) || ' min' END
	FROM (SELECT extract(epoch FROM age) AS seconds) AS s
$$;
COMMENT ON FUNCTION syncup.page_age(interval) IS
'How old, for a person.';

CREATE FUNCTION syncup.page_count(count bigint, name text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_number(count) || ' ' || CASE
		WHEN name !~ '^(account|asset|contact|contract|customer|department|device|employee|entry|group|location|order|organization|person|position|product|project|role|room|row|column|connector|site|student|team|unit|user)s?$' THEN CASE count WHEN 1 THEN 'row' ELSE 'rows' END || ' of &ldquo;' || syncup.page_value(name) || '&rdquo;'
		WHEN count = 1 OR name LIKE '%s' THEN name
		WHEN name ~ '[^aeiou]y$' THEN left(name, -1) || 'ies'
		ELSE name || 's'
	END
$$;
COMMENT ON FUNCTION syncup.page_count(bigint, text) IS
'So many rows of a mapping: "403 users", where the plural of its name is known, else "403 rows of ...".';

/* ---------- the frame ---------- */

CREATE FUNCTION syncup.page_style()
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT $css$
:root { color-scheme: light dark; --paper: #fff; --ink: #1b1f24; --soft: #57606a; --line: #d0d7de; --panel: #f6f8fa;
	--stop: #a40e26; --go: #116329; --note: #7a4d00; --bar: #57606a; --part: #0550ae; --mark: #fff1a8; }
@media (prefers-color-scheme: dark) { :root { --paper: #0f1318; --ink: #e6edf3; --soft: #a3adb8; --line: #3a424c; --panel: #1a2027;
	--stop: #ff8f8f; --go: #6fdc8c; --note: #f0c05a; --bar: #8b96a2; --part: #79b8ff; --mark: #6b5600; } }
* { box-sizing: border-box; }
body { margin: 0 auto; padding: 1.5rem; max-width: 72rem; background: var(--paper); color: var(--ink); font: 16px/1.5 system-ui, "Segoe UI", "Liberation Sans", sans-serif; }
time { white-space: nowrap; }
h1 { font-size: 1.75rem; line-height: 1.25; margin: .25rem 0 .5rem; }
h2 { font-size: 1.25rem; margin: 2.25rem 0 .5rem; padding-top: .75rem; border-top: 1px solid var(--line); }
h3 { font-size: 1rem; margin: 1.25rem 0 .25rem; }
p { margin: .4rem 0; max-width: 48rem; }
ul { margin: .4rem 0; padding-left: 1.25rem; }
a { color: var(--part); }
a:focus-visible, pre:focus-visible, summary:focus-visible, .wide:focus-visible { outline: 3px solid var(--part); outline-offset: 2px; }
.skip { position: absolute; left: -99rem; } .skip:focus { position: static; }
.state { font-weight: 700; } .stop { color: var(--stop); } .go { color: var(--go); } .note { color: var(--note); }
.soft, .none, caption, figcaption { color: var(--soft); } .none { font-style: italic; }
.hidden { border: 1px dotted var(--note); color: var(--note); font-size: .8em; padding: 0 .15em; }
nav ul { list-style: none; padding: 0; display: flex; flex-wrap: wrap; gap: .15rem 1rem; }
.wide { overflow-x: auto; }
table { border-collapse: collapse; margin: .5rem 0 1rem; font-variant-numeric: tabular-nums; }
caption { text-align: left; padding-bottom: .25rem; }
th, td { text-align: left; vertical-align: top; padding: .25rem .75rem .25rem 0; border-bottom: 1px solid var(--line); overflow-wrap: break-word; max-width: 22rem; }
thead th { color: var(--soft); font-weight: 600; } tbody th { font-weight: 600; overflow-wrap: anywhere; min-width: 7rem; }
.n { text-align: right; white-space: nowrap; } .key { color: var(--soft); font-size: .8rem; font-weight: 400; }
mark { background: var(--mark); color: inherit; text-decoration: underline; text-underline-offset: 2px; }
svg { display: block; max-width: 100%; } svg text { fill: var(--soft); font-size: 11px; }
.strip { width: 13rem; min-width: 9rem; } svg text.on { fill: var(--paper); font-size: 12px; }
.bar { width: 11rem; min-width: 4rem; height: .9rem; } .spark { width: 10rem; height: 2.5rem; }
.f-bar { fill: var(--bar); } .f-stop { fill: var(--stop); } .f-go { fill: var(--go); } .f-part { fill: var(--part); } .f-back { fill: var(--line); }
.s-line { stroke: var(--part); fill: none; stroke-width: 1.5; } .s-limit { stroke: var(--stop); stroke-width: 1.5; stroke-dasharray: 5 3; }
.s-usual { stroke: var(--soft); stroke-dasharray: 1 3; } .s-axis { stroke: var(--line); } .s-edge { stroke: var(--ink); stroke-width: 1.5; }
.lead { border-left: .4rem solid var(--line); padding-left: 1rem; } .lead.stop { border-color: var(--stop); color: inherit; } .lead.go { border-color: var(--go); color: inherit; } .lead.note { border-color: var(--note); color: inherit; }
.beside { display: flex; flex-wrap: wrap; gap: 0 2.5rem; } .beside .bar { width: 7rem; } figure { margin: .5rem 0; }
.choices { display: grid; grid-template-columns: repeat(auto-fit, minmax(17rem, 1fr)); gap: 1rem; }
.choice { border: 1px solid var(--line); border-radius: .5rem; padding: .75rem 1rem; background: var(--panel); display: flex; flex-direction: column; }
.choice h3 { margin-top: 0; } .choice .sign { margin-top: auto; }
pre { margin: .5rem 0; padding: .5rem .75rem; border: 1px solid var(--line); border-radius: .35rem; background: var(--paper); white-space: pre-wrap; overflow-wrap: anywhere; user-select: all; font: .85rem/1.4 ui-monospace, "Liberation Mono", monospace; }
.sign { color: var(--soft); display: flex; gap: .75rem; padding-top: .75rem; } .sign span { flex: 1; border-bottom: 1px solid var(--soft); padding-bottom: 1.1rem; }
footer { margin-top: 2.5rem; border-top: 1px solid var(--line); padding-top: .5rem; color: var(--soft); font-size: .85rem; overflow-wrap: anywhere; }
@media print { :root { color-scheme: light; --paper: #fff; --ink: #000; --soft: #333; --line: #999; --panel: #fff; --stop: #8b0000; --go: #004d00; --note: #5a3a00; --bar: #555; --part: #00408a; --mark: #fff; }
	body { max-width: none; padding: 0; font-size: 10pt; } nav, .skip { display: none; } .wide { overflow: visible; }
	h2, h3, caption { break-after: avoid; } tr, .choice, figure, svg { break-inside: avoid; } thead { display: table-header-group; } }
$css$
$$;
COMMENT ON FUNCTION syncup.page_style() IS
'How pages look: on light and dark screens, and on paper.';

CREATE FUNCTION syncup.page_frame(title text, body text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format($html$<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="%s">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>%s</title>
<style>%s</style>
</head>
<body>
<a class="skip" href="#main">Skip to the page</a>
%s</body>
</html>$html$,
		-- The page leaves the server in the encoding of the client.
		CASE pg_client_encoding() WHEN 'SQL_ASCII' THEN 'utf-8' WHEN 'UTF8' THEN 'utf-8' WHEN 'LATIN1' THEN 'iso-8859-1' WHEN 'LATIN2' THEN 'iso-8859-2'
			WHEN 'LATIN9' THEN 'iso-8859-15' ELSE regexp_replace(lower(pg_client_encoding()), '^win(\d+)$', 'windows-\1') END,
		syncup.page_escape(title), syncup.page_style(), body)
$$;
COMMENT ON FUNCTION syncup.page_frame(text, text) IS
'A whole page: no script, and nothing that is fetched from elsewhere.';

CREATE FUNCTION syncup.page_section(id text, heading text, content text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN content = '' THEN '' ELSE format(E'<section id="%1$s" aria-labelledby="h-%1$s">\n<h2 id="h-%1$s">%2$s</h2>\n%3$s</section>\n', id, heading, content) END
$$;
COMMENT ON FUNCTION syncup.page_section(text, text, text) IS
'A section under a heading; nothing where it has no content.';

CREATE FUNCTION syncup.page_table(caption text, head text, body text)
RETURNS text
LANGUAGE sql IMMUTABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'<div class="wide" role="region" aria-label="%s" tabindex="0"><table>\n<caption>%s</caption>\n<thead><tr>%s</tr></thead>\n%s\n</table></div>\n',
		regexp_replace(caption, '<[^>]*>', '', 'g'), caption, (
			-- a heading that begins with # stands over numbers
			SELECT string_agg(format('<th scope="col"%s>%s</th>', CASE WHEN left(h, 1) = '#' THEN ' class="n"' ELSE '' END, ltrim(h, '#')), '' ORDER BY place)
			FROM string_to_table(head, '|') WITH ORDINALITY AS t (h, place)),
		CASE WHEN body LIKE '<tbody>%' THEN body ELSE '<tbody>' || body || '</tbody>' END)
$$;
COMMENT ON FUNCTION syncup.page_table(text, text, text) IS
'A table; nothing where it has no rows.';

CREATE FUNCTION syncup.page_bar(part numeric, whole numeric, class text, back numeric DEFAULT NULL, tick numeric DEFAULT NULL)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<svg class="bar" viewBox="0 0 100 10" preserveAspectRatio="none" aria-hidden="true">%s<rect class="f-%s" width="%s" height="10"/>%s</svg>',
		'<rect class="f-back" width="' || round(100 * back / nullif(whole, 0), 2) || '" height="10"/>', class, coalesce(round(100 * part / nullif(whole, 0), 2), 0),
		'<rect class="f-stop" x="' || round(99 * tick / nullif(whole, 0), 2) || '" width="1" height="10"/>')
$$;
COMMENT ON FUNCTION syncup.page_bar(numeric, numeric, text, numeric, numeric) IS
'A bar to scale beside a number: part, before a background, of a whole; with a tick. It says nothing that the number does not.';

/* ---------- what has links ---------- */

CREATE FUNCTION syncup.page_names_sql(b syncup.batch, mapping text, side int, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(max(format('SELECT x.%I AS key, x.%I COLLATE "default" AS name FROM syncup_previous.%I x', k.stored, d.stored, t.table_name)),
		'SELECT NULL::text AS key, NULL::text AS name WHERE false')
	FROM syncup.association a
	JOIN syncup.mapping t ON t.connector = a.entity_connector AND t.mapping = a.entity
	JOIN syncup.mapping_key k ON k.connector = t.connector AND k.mapping = t.mapping
	JOIN syncup.mapping_column d ON d.connector = t.connector AND d.mapping = t.mapping AND d.target = t.options ->> 'display'
	WHERE a.connector = b.connector AND a.mapping = page_names_sql.mapping AND a.side = page_names_sql.side AND NOT redact
		AND has_schema_privilege('syncup_previous', 'USAGE') AND has_table_privilege(format('syncup_previous.%I', t.table_name), 'SELECT')
$$;
COMMENT ON FUNCTION syncup.page_names_sql(syncup.batch, text, int, boolean) IS
'SQL: keys and names of a side of an association, where its entity type has a column for that (display) and previous may be read.';

CREATE FUNCTION syncup.page_resource(b syncup.batch, mapping text, resource text, redact boolean)
RETURNS text
LANGUAGE plpgsql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	name text;
BEGIN
	EXECUTE format('SELECT x.name FROM (%s) AS x WHERE x.key = $1 OR x.key = upper($1) LIMIT 1', syncup.page_names_sql(b, mapping, 1, redact)) INTO name USING resource;
	RETURN syncup.page_value(coalesce(name, resource));
END
$$;
COMMENT ON FUNCTION syncup.page_resource(syncup.batch, text, text, boolean) IS
'What has links of an association: its name, where it has one that may be seen, else its key.';

/* ---------- what happened ---------- */

CREATE FUNCTION syncup.page_effect(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	-- Of the counters that exceed, those that hurt most: each told of the mapping, or the resource, that has most of it.
	SELECT nullif(concat_ws(' ',
		(SELECT 'This would ' || string_agg(e.words, CASE e.ordinal WHEN 1 THEN '' WHEN 2 THEN '. It would also ' ELSE ', and ' END ORDER BY e.ordinal) || '.'
		FROM (
			SELECT row_number() OVER (ORDER BY min(l.place)) AS ordinal,
				CASE l.counter
					WHEN 'deleted_lines' THEN format('delete %s of %s', syncup.page_number(m.count), syncup.page_count(m.base, m.mapping)) || m.others
					WHEN 'updated_lines' THEN format('change %s of %s', syncup.page_number(m.count), syncup.page_count(m.base, m.mapping)) || m.others
					WHEN 'inserted_lines' THEN CASE m.base WHEN 0 THEN format('add %s, where there are none', syncup.page_count(m.count, m.mapping))
						ELSE format('add %s to the %s that are there', syncup.page_count(m.count, m.mapping), syncup.page_number(m.base)) END
					WHEN 'link_deleted_lines' THEN format('remove %s of %s links (%s)', syncup.page_number(m.count), syncup.page_number(m.base), syncup.page_value(m.mapping))
					WHEN 'link_updated_lines' THEN format('move %s of %s links (%s)', syncup.page_number(m.count), syncup.page_number(m.base), syncup.page_value(m.mapping))
					WHEN 'link_inserted_lines' THEN format('add %s links (%s) to the %s that are there', syncup.page_number(m.count), syncup.page_value(m.mapping), syncup.page_number(m.base))
					WHEN 'link_deleted_lines_per_resource' THEN format('take from %s %s of its %s links (%s)', syncup.page_resource(b, m.mapping, m.resource, redact), syncup.page_number(m.count), syncup.page_number(m.base), syncup.page_value(m.mapping))
					ELSE format('leave out %s of the %s rows of a file (%s)', syncup.page_number(m.count), syncup.page_number(m.base), syncup.page_value(m.mapping))
				END AS words
			FROM syncup.exceeded_limits(b.batch) l
			CROSS JOIN LATERAL (
				(SELECT k.mapping, k.count, k.base, NULL AS resource,
					-- what is as large is said as well
					(SELECT coalesce(string_agg(format(' and %s of %s', syncup.page_number(o.count), syncup.page_count(o.base, o.mapping)), '' ORDER BY o.count DESC, o.mapping), '')
					FROM (SELECT s.* FROM syncup.counted s WHERE s.batch = b.batch AND s.counter = l.counter AND s.mapping <> k.mapping AND s.count * 2 >= k.count
						ORDER BY s.count DESC, s.mapping LIMIT 2) AS o) AS others
				FROM syncup.counted k
				WHERE k.batch = b.batch AND k.counter = l.counter AND k.mapping IS NOT NULL
				ORDER BY k.count DESC, k.mapping LIMIT 1)
				UNION ALL
				(SELECT r.mapping, r.deleted, r.stored, r.resource, NULL FROM syncup.batch_resource r
				WHERE r.batch = b.batch AND r.mapping = l.mapping AND l.counter = 'link_deleted_lines_per_resource'
				ORDER BY r.deleted::float8 / r.stored DESC, r.stored DESC, r.resource COLLATE "C" LIMIT 1)
			) AS m
			GROUP BY l.counter, m.mapping, m.count, m.base, m.resource, m.others
		) AS e
		WHERE e.ordinal <= 3),
		(SELECT CASE count(*) WHEN 1 THEN 'A check of your own' ELSE format('%s checks of your own', count(*)) END || CASE WHEN bool_and(r.error IS NOT NULL) THEN ' failed: ' ELSE ' found something: ' END
			|| string_agg('&ldquo;' || syncup.page_value(r.name) || '&rdquo;', ', ' ORDER BY r.name COLLATE "C") || '.'
			|| CASE WHEN EXISTS (SELECT FROM syncup.exceeded_limits(b.batch)) THEN '' ELSE format(' No limit is exceeded. What it would do: %s.', syncup.page_done(b)) END
		FROM syncup.check_result r WHERE r.batch = b.batch AND (r.rows > 0 OR r.error IS NOT NULL) HAVING count(*) > 0)), '')
$$;
COMMENT ON FUNCTION syncup.page_effect(syncup.batch, boolean) IS
'What a batch would do that exceeds its limits, and which checks found something, in a sentence or two.';

CREATE FUNCTION syncup.page_done(b syncup.batch)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT coalesce(string_agg(d.words, ', ' ORDER BY d.of_links, d.place), 'nothing to do')
	FROM (
		SELECT v.place, c.kind = 'association' AS of_links, format(v.words, syncup.page_number(sum(v.count)),
				CASE WHEN c.kind = 'association' THEN 'link' ELSE 'row' END || CASE sum(v.count) WHEN 1 THEN '' ELSE 's' END) AS words
		FROM syncup.batch_counter c
		CROSS JOIN LATERAL (VALUES (1, '%s %s inserted', coalesce(c.inserted, c.delta_inserted)), (2, '%s %s updated', coalesce(c.updated, c.delta_updated)),
			(3, '%s %s deleted', coalesce(c.deleted, c.delta_deleted))) AS v (place, words, count)
		WHERE c.batch = b.batch
		GROUP BY v.place, v.words, c.kind
		HAVING sum(v.count) > 0
	) AS d
$$;
COMMENT ON FUNCTION syncup.page_done(syncup.batch) IS
'What a batch does or did, in words: rows and links of all mappings.';

CREATE FUNCTION syncup.page_waiting(b syncup.batch)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	lines text[];
	queued bigint;
	active boolean;
	due record;
BEGIN
	IF b.status <> 'blocked' THEN
		RETURN '';
	END IF;
	SELECT count(*) INTO queued FROM syncup.batch o
	WHERE o.connector = b.connector AND o.seq > b.seq AND o.prepared_at IS NOT NULL AND o.status IN ('prepared', 'blocked', 'failed');
	lines := ARRAY[CASE queued
		WHEN 0 THEN format('No run is queued behind it. Incremental runs of %s are refused until somebody decides. Other connectors go on.', syncup.page_value(b.connector))
		WHEN 1 THEN 'One run is queued behind it and waits too. Other connectors go on.'
		ELSE format('%s runs are queued behind it and wait too. Other connectors go on.', queued) END];
	IF has_table_privilege('syncup.open_run', 'SELECT') THEN
		lines := lines || ARRAY(
			SELECT format('Run %s of job %s stopped here: nothing after it was started.', r.run, syncup.page_value(r.job))
			FROM syncup.open_run r WHERE r.batch = b.batch ORDER BY r.run);
	END IF;
	SELECT c.active INTO active FROM syncup.connector c WHERE c.connector = b.connector;
	IF has_table_privilege('syncup.job_status', 'SELECT') AND has_table_privilege('syncup.job_step', 'SELECT') THEN
		SELECT j.job, j.next_run INTO due
		FROM syncup.job_status j JOIN syncup.job_step s USING (job)
		WHERE s.connector = b.connector AND s.kind = 'prepare' AND NOT j.incremental AND j.next_run IS NOT NULL
		ORDER BY j.next_run, j.job LIMIT 1;
	END IF;
	lines := lines || CASE
		WHEN NOT active THEN 'The connector is deactivated: no run can take its place.'
		WHEN due IS NOT NULL THEN format('The next complete run, job %s, is due %s. It would cancel what waits here, and take the files as they are then.',
			syncup.page_value(due.job), syncup.page_time(due.next_run))
		ELSE 'A complete run would cancel what waits here, and take the files as they are then. None is scheduled that this page knows of.' END;
	RETURN (SELECT string_agg('<li>' || line || E'</li>\n', '' ORDER BY place) FROM unnest(lines) WITH ORDINALITY AS l (line, place));
END
$$;
COMMENT ON FUNCTION syncup.page_waiting(syncup.batch) IS
'What waits behind a blocked batch, and what would cancel it, as items of a list.';

CREATE FUNCTION syncup.page_headline(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	class text := CASE b.status WHEN 'blocked' THEN 'stop' WHEN 'failed' THEN 'stop' WHEN 'applied' THEN 'go' ELSE 'note' END;
	state text := CASE b.status WHEN 'blocked' THEN '&#9632; Stopped' WHEN 'failed' THEN '&#10005; Failed' WHEN 'applied' THEN '&#10003; Applied'
		WHEN 'prepared' THEN '&#9675; Waits' WHEN 'discarded' THEN '&#9633; Declined' WHEN 'cancelled' THEN '&#9633; Cancelled' ELSE '&#8630; Taken back' END;
	headline text;
	facts text[];
BEGIN
	headline := CASE b.status
		WHEN 'blocked' THEN 'Stopped. Nothing was changed. ' || coalesce(syncup.page_effect(b, redact), 'It waits for a decision.')
		WHEN 'failed' THEN 'Failed. Nothing was changed.' || CASE WHEN b.prepared_at IS NULL THEN ' The files could not be taken.' ELSE ' The next run tries it again.' END
		WHEN 'prepared' THEN 'Waits to be applied. Nothing was changed yet: ' || syncup.page_done(b) || '.'
		WHEN 'applied' THEN CASE b.mode WHEN 'undo' THEN 'Another run was taken back: ' ELSE 'Applied: ' END || syncup.page_done(b) || '.'
		WHEN 'discarded' THEN 'Declined. Nothing was changed.'
		WHEN 'cancelled' THEN 'Cancelled. Nothing was changed: a later complete run took its place.'
		ELSE 'Applied, and then taken back.' END;
	facts := array_remove(ARRAY[
		'Connector ' || syncup.page_value(b.connector) || ', ' || b.mode || ' run'
			|| CASE WHEN b.prepared_at IS NULL THEN '' ELSE concat(', files read ', syncup.page_time(b.prepared_at), ' by ' || syncup.page_value(b.prepared_by)) END,
		CASE WHEN b.synchronized_at IS NOT NULL THEN CASE b.status WHEN 'blocked' THEN 'Stopped since ' WHEN 'failed' THEN 'Last tried ' WHEN 'applied' THEN 'Applied ' WHEN 'undone' THEN 'Applied ' ELSE 'Last looked at ' END
			|| syncup.page_time(b.synchronized_at) || coalesce(' by ' || syncup.page_value(b.synchronized_by), '')
			|| CASE WHEN b.forced THEN ', limits waived by force' ELSE '' END END,
		CASE b.decision WHEN 'discard' THEN 'Declined ' WHEN 'resume' THEN 'Released ' WHEN 'undo' THEN 'Taken back ' END
			|| syncup.page_time(b.decided_at) || ' by ' || syncup.page_value(b.decided_by)
			|| CASE WHEN redact THEN '' ELSE coalesce(': ' || syncup.page_value(b.reason, 300), '') END,
		'Why: ' || CASE WHEN redact THEN 'SQLSTATE ' || b.sqlstate ELSE syncup.page_value(nullif(concat_ws(': ', b.sqlstate, b.error), ''), 600) END], NULL);
	RETURN format(E'<header class="lead %s">\n<p class="state %1$s">%s</p>\n<h1>%s</h1>\n%s<ul>\n%s</ul>\n%s</header>\n', class, state, headline,
		(SELECT string_agg('<p>' || f || E'</p>\n', '' ORDER BY place) FROM unnest(facts) WITH ORDINALITY AS t (f, place)),
		syncup.page_waiting(b),
		CASE b.status WHEN 'blocked' THEN E'<p><a href="#decision">Apply, decline, or ask first: what each does</a></p>\n' ELSE '' END);
END
$$;
COMMENT ON FUNCTION syncup.page_headline(syncup.batch, boolean) IS
'What happened, in plain words; since when; what waits.';

CREATE FUNCTION syncup.page_meaning(finding text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN finding = 'file almost empty' THEN 'The file holds next to nothing. Probably the export failed.'
		WHEN finding = 'file cut' THEN 'A part of the file is missing. Probably the export broke off, or left something out.'
		WHEN finding = 'keys in another spelling' THEN 'The same rows come under keys that are written in another way. They would be deleted and made anew, and lose what belongs to them.'
		WHEN finding IN ('columns swapped', 'columns shifted') THEN 'Values stand in the wrong column. Probably the columns of the export were mixed up.'
		WHEN finding = 'column emptied' THEN 'What stood in this column would be gone. Probably the export left it empty.'
		WHEN finding = 'column filled' THEN 'This column was empty, and is filled now.'
		WHEN finding = 'constant value' THEN 'Many rows get the same value. Probably it is a default of the source, or was set for all of them at once.'
		WHEN finding = 'format changed' THEN 'The values mean the same, and are written in another way. Probably a setting of the export was changed.'
		WHEN finding = 'moved in time' THEN 'Dates or times move, all by as much. Probably a time zone or a setting of the export was changed.'
		WHEN finding = 'values recoded' THEN 'Each value becomes another one, the same everywhere. Probably the source has new names or codes for them.'
		WHEN finding = 'values cut' THEN 'Values lose their end. Probably a field of the source or the export became shorter.'
		WHEN finding IN ('suffix changed', 'prefix changed') THEN 'Values change in one part, the same everywhere. That may be meant, as a new mail domain is.'
		WHEN finding = 'column changed everywhere' THEN 'Nearly every row changes here, in no way that is known.'
		WHEN finding = 'rows in common' THEN 'These rows belong together, and next to no other row is like them.'
		WHEN finding = 'links lost' THEN 'Something that had links, such as a group, would be left with few or none, or loses more of them than its limit allows.'
		WHEN finding = 'ends not found' THEN 'These pairs name a row that is not there. They become links as soon as it is there.'
		WHEN finding = 'rows set aside' THEN 'These rows of the file cannot be used. For them the tables stay as they are.'
	END
$$;
COMMENT ON FUNCTION syncup.page_meaning(text) IS
'What a finding means for somebody who knows the data only; null: nothing is known.';

CREATE FUNCTION syncup.page_examples(examples jsonb)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT '<br><span class="soft">for example</span> ' || string_agg(CASE
			WHEN e.new IS NULL AND (e.old IS NULL AND NOT x.value ? 'new' OR e.old = e.key) THEN syncup.page_value(e.key, 60)
			WHEN e.old = e.key THEN format('%s &#8594; %s', d.marked[1], d.marked[2])
			ELSE format('<span class="key">%s</span> ', syncup.page_value(e.key, 60)) || CASE
				WHEN NOT x.value ? 'new' THEN syncup.page_cell(e.old)
				WHEN NOT x.value ? 'old' THEN syncup.page_cell(e.new)
				ELSE format('%s &#8594; %s', d.marked[1], d.marked[2]) END END, '; ' ORDER BY x.ordinality)
	FROM jsonb_array_elements(examples) WITH ORDINALITY AS x
	CROSS JOIN LATERAL jsonb_to_record(x.value) AS e (key text, old text, new text)
	CROSS JOIN LATERAL (SELECT syncup.page_difference(e.old, e.new) AS marked) AS d
$$;
COMMENT ON FUNCTION syncup.page_examples(jsonb) IS
'The examples of a finding: before and after.';

CREATE FUNCTION syncup.page_verdict(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat(
		CASE WHEN f.items IS NOT NULL OR k.items IS NOT NULL THEN concat('<ul>', k.items, f.items, E'</ul>\n')
			WHEN b.status IN ('blocked', 'prepared', 'failed') AND b.prepared_at IS NOT NULL OR b.changes_kept THEN
				'<p>Nothing stands out: no cause is seen in the figures. That proves nothing. Look at who is affected, and ask.</p>'
			ELSE '' END,
		coalesce('<p><strong>Whom to ask:</strong> ' || syncup.page_value(c.options ->> 'contact', 300) || '</p>',
			'<p class="soft">Nobody is named to ask: the connector has no option "contact".</p>'))
	FROM (
		SELECT string_agg(format(E'<li><strong>%s: %s</strong>%s%s</li>\n', syncup.page_value(f.mapping), syncup.page_escape(f.finding)
				|| coalesce(' (' || syncup.page_value(f.column_name) || ')', ''), '<br>' || syncup.page_meaning(f.finding),
				CASE WHEN redact THEN format(' %s.', syncup.page_count(f.rows, 'row'))
					ELSE '<br>' || syncup.page_value(f.message, 600) || coalesce(syncup.page_examples(f.examples), '') END), '' ORDER BY f.place) AS items
		FROM (
			SELECT f.mapping, f.finding, f.column_name, f.rows, f.message, f.examples, row_number() OVER () AS place
			FROM syncup.findings(b.batch) AS f
		) AS f
		WHERE f.place <= 12
	) AS f
	CROSS JOIN (
		SELECT string_agg(format(E'<li><strong>check %s</strong>%s. <a href="#checks">What it found</a></li>\n', syncup.page_value(r.name),
			CASE WHEN r.error IS NOT NULL THEN ' failed' ELSE ' found ' || syncup.page_count(r.rows, 'row') END), '' ORDER BY r.name COLLATE "C") AS items
		FROM syncup.check_result r WHERE r.batch = b.batch AND (r.rows > 0 OR r.error IS NOT NULL)
	) AS k
	CROSS JOIN (
		SELECT x.options FROM syncup.connector x WHERE x.connector = b.connector
	) AS c
$$;
COMMENT ON FUNCTION syncup.page_verdict(syncup.batch, boolean) IS
'What stands out in a batch, and whom to ask.';

/* ---------- figures ---------- */

CREATE FUNCTION syncup.page_rows(b syncup.batch)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('Rows read from each file, and kept of them; rows stored before, and after; the bars are drawn to one scale', 'What|#Read|#Kept|#Set aside||#Before|#After||#Inserted|#Updated|#Deleted',
			string_agg(format('<tr><th scope="row">%s%s</th><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
				syncup.page_value(r.mapping), CASE WHEN r.kind = 'association' THEN ' <span class="soft">links</span>' ELSE '' END,
				syncup.page_number(r.rows_read), syncup.page_number(r.rows_kept), syncup.page_number(r.set_aside),
				syncup.page_bar(r.rows_kept, r.widest, 'part', r.rows_read),
				syncup.page_number(r.stored_before), syncup.page_number(r.after), syncup.page_bar(r.after, r.widest, CASE WHEN r.after * 2 < r.stored_before THEN 'stop' ELSE 'part' END, r.stored_before),
				syncup.page_number(r.inserts), syncup.page_number(r.updates), syncup.page_number(r.deletes)), E'\n' ORDER BY r.place) FILTER (WHERE r.place <= 40))
		|| coalesce('<p class="soft">' || nullif(greatest(count(*) - 40, 0), 0) || ' more are in syncup.batch_counter.</p>', '')
		|| CASE WHEN bool_or(r.compared) THEN '' ELSE '<p class="soft">Inserted, updated and deleted since the last applied files; the tables were not yet compared.</p>' END
		|| coalesce('<p><strong>Constraints of the tables take along:</strong> ' || syncup.page_escape(syncup.shorten(syncup.what_cascades(b.batch), 1000)) || '.</p>', '')
		|| coalesce(string_agg(format('<p>%s: a bad row has no readable key, so nothing is deleted there.</p>', syncup.page_value(r.mapping)), '' ORDER BY r.place)
			FILTER (WHERE r.deletions_suspended AND r.place <= 40), '')
	FROM (
		SELECT c.*, row_number() OVER (ORDER BY m.ordinal, c.mapping) AS place, c.inserted IS NOT NULL AS compared,
			coalesce(c.inserted, c.delta_inserted) AS inserts, coalesce(c.updated, c.delta_updated) AS updates, coalesce(c.deleted, c.delta_deleted) AS deletes,
			c.stored_before + c.inserted - c.deleted AS after,
			max(greatest(c.rows_read, c.stored_before, c.stored_before + c.inserted - c.deleted)) OVER () AS widest
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		WHERE c.batch = b.batch
	) AS r
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION syncup.page_rows(syncup.batch) IS
'Rows read, kept, set aside, stored before and after, to scale.';

CREATE FUNCTION syncup.page_sparkline(counts bigint[], now bigint, limit_at numeric, usual numeric)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('<svg class="spark" viewBox="0 0 160 40" role="img" aria-label="%s">%s%s%s<circle class="f-stop" cx="156" cy="%s" r="3"/></svg>',
		format('%s earlier runs, at most %s; this run %s', cardinality(counts), coalesce((SELECT max(c) FROM unnest(counts) AS c), 0), now),
		'<path class="s-limit" d="M0 ' || round(37 - 34 * limit_at / t.top, 1) || 'H160"/>',
		'<path class="s-usual" d="M0 ' || round(37 - 34 * usual / t.top, 1) || 'H160"/>',
		(SELECT format('<polyline class="s-line" points="%s"/>', string_agg(format('%s,%s', round(150 * (1 - (place - 0.5) / greatest(cardinality(counts), 1)), 1), round(37 - 34 * c / t.top, 1)), ' ' ORDER BY place DESC))
			FROM unnest(counts) WITH ORDINALITY AS u (c, place) HAVING count(*) > 0),
		round(37 - 34 * now / t.top, 1))
	FROM (SELECT greatest((SELECT max(c) FROM unnest(counts) AS c), now, limit_at, usual, 1)::numeric AS top) AS t
$$;
COMMENT ON FUNCTION syncup.page_sparkline(bigint[], bigint, numeric, numeric) IS
'A count over earlier runs, the newest first in the array; a dot is this run, dashes the limit, dots what is usual.';

CREATE FUNCTION syncup.page_limits(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH past AS (
		-- batch by batch, and not all of the history
		SELECT p.ordinal, c.mapping, c.counter, c.count
		FROM (
			SELECT x.batch, row_number() OVER (ORDER BY x.seq DESC) AS ordinal FROM (
				SELECT o.batch, o.seq FROM syncup.batch o
				WHERE o.connector = b.connector AND o.status = 'applied' AND o.mode IN ('complete', 'incremental') AND o.seq < b.seq
				ORDER BY o.seq DESC LIMIT 100
			) AS x
		) AS p
		CROSS JOIN LATERAL (SELECT k.mapping, k.counter, k.count FROM syncup.counted k WHERE k.batch = p.batch OFFSET 0) AS c
	), per_run AS (
		SELECT p.ordinal, p.counter, NULL::text AS mapping, sum(p.count)::bigint AS count FROM past p GROUP BY 1, 2
		UNION ALL
		SELECT p.ordinal, p.counter, p.mapping, p.count FROM past p WHERE p.mapping IS NOT NULL
	)
	SELECT syncup.page_table('What this run counts, against its limits and earlier runs', 'Counted|#This run|#Of|Limit|This run and limit|Last 100 runs|Verdict',
			string_agg(format('<tr><th scope="row">%s%s</th><td class="n">%s</td><td class="n">%s</td><td>%s</td><td>%s</td><td>%s%s</td><td>%s</td></tr>',
				initcap(left(w.name, 1)) || substr(w.name, 2), coalesce(' of ' || syncup.page_value(t.mapping), '') || coalesce('<br><span class="key">' || syncup.page_resource(b, t.mapping, r.resource, redact) || '</span>', ''),
				syncup.page_number(t.count), syncup.page_number(t.base) || coalesce(' <span class="soft">(' || round(t.percent, 1) || '&nbsp;%)</span>', ''),
				coalesce(nullif(concat_ws(' or ', CASE WHEN t.maximum IS NOT NULL THEN syncup.page_number(t.maximum) END,
					t.max_percentage || '&nbsp;% = ' || syncup.page_number(floor(t.max_percentage * t.base / 100))), ''), 'none'),
				CASE WHEN t.lines IS NULL THEN '' ELSE syncup.page_bar(t.count, greatest(t.count, t.lines) * 1.05, CASE WHEN t.exceeded THEN 'stop' ELSE 'go' END, NULL, t.lines) END,
				syncup.page_sparkline(h.counts, t.count, t.lines, t.percentile_99),
				CASE WHEN t.percentile_99 IS NULL THEN '<span class="soft">no earlier run</span>' ELSE '<span class="soft">99&nbsp;% had at most ' || syncup.page_number(t.percentile_99) || '</span>' END,
				CASE WHEN t.exceeded THEN '<strong class="stop">&#9632; over</strong>' || coalesce(' by ' || syncup.page_number(t.count - t.lines), '')
					WHEN t.spared THEN 'too few for a percentage' ELSE '<span class="go">&#10003; within</span>' END),
			E'\n' ORDER BY t.exceeded DESC, t.mapping NULLS FIRST, syncup.counter_rank(t.counter)) FILTER (WHERE t.shown <= 24))
		|| '<p class="soft">In the bars, the red mark is the limit. In the small charts the line is the earlier runs, the dot this run, dashes the limit, and dots what 99 % of earlier runs had at most.</p>'
	FROM (
		SELECT c.*, floor(least(c.maximum, c.max_percentage * c.base / 100)) AS lines,
			row_number() OVER (ORDER BY c.exceeded DESC, c.mapping NULLS FIRST, syncup.counter_rank(c.counter)) AS shown
		FROM syncup.threshold_check c
		WHERE c.batch = b.batch AND c.counter NOT LIKE 'check %' AND (c.exceeded OR coalesce(c.maximum, c.max_percentage) IS NOT NULL AND (c.count > 0 OR c.mapping IS NULL AND c.base > 0))
	) AS t
	CROSS JOIN LATERAL (SELECT regexp_replace(syncup.count_in_words(2, t.counter), '^2 ', '') AS name) AS w
	LEFT JOIN LATERAL (
		SELECT x.resource FROM syncup.batch_resource x
		WHERE x.batch = b.batch AND x.mapping = t.mapping AND t.counter = 'link_deleted_lines_per_resource' AND x.deleted = t.count AND x.stored = t.base
		ORDER BY x.resource COLLATE "C" LIMIT 1
	) AS r ON true
	CROSS JOIN LATERAL (
		SELECT coalesce(array_agg(p.count ORDER BY p.ordinal), '{}') AS counts
		FROM per_run p WHERE p.counter = t.counter AND p.mapping IS NOT DISTINCT FROM t.mapping
	) AS h
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION syncup.page_limits(syncup.batch, boolean) IS
'The counters of a batch against its limits, as bars, and against the hundred runs before, as sparklines.';

CREATE FUNCTION syncup.page_checks(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('Checks of your own that found something', 'Check|#Rows|The first of them', string_agg(
		format('<tr><th scope="row">%s</th><td class="n">%s</td><td>%s</td></tr>', syncup.page_value(r.name), syncup.page_number(r.rows),
			CASE WHEN redact THEN '<span class="soft">left out</span>' ELSE coalesce('It failed: ' || syncup.page_value(r.error, 300), (
				SELECT string_agg((SELECT string_agg(format('<span class="soft">%s</span> %s', syncup.page_value(c.key), syncup.page_cell(c.value)), ', ') FROM jsonb_each_text(e.value) AS c), '<br>' ORDER BY e.n)
				FROM jsonb_array_elements(r.first_rows) WITH ORDINALITY AS e (value, n) WHERE e.n <= 10), '') END),
		E'\n' ORDER BY r.name))
	FROM syncup.check_result r WHERE r.batch = b.batch AND (r.rows > 0 OR r.error IS NOT NULL)
	HAVING count(*) > 0
$$;
COMMENT ON FUNCTION syncup.page_checks(syncup.batch, boolean) IS
'The checks of one''s own that found something in a batch, with the first rows of each (SPEC 6.4); null: there are none.';

CREATE FUNCTION syncup.page_history(b syncup.batch)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	WITH run AS (
		SELECT o.*, row_number() OVER (ORDER BY o.seq) AS x, count(*) OVER () AS runs
		FROM (
			SELECT p.seq, p.batch, p.status, p.mode, coalesce(p.synchronized_at, p.prepared_at) AS at, c.inserted, c.updated, c.deleted, c.inserted + c.updated + c.deleted AS changed, f.size
			FROM (
				SELECT * FROM syncup.batch q
				WHERE q.connector = b.connector AND q.seq <= b.seq AND q.prepared_at IS NOT NULL AND (q.mode NOT IN ('initial', 'undo') OR q.batch = b.batch)
				ORDER BY q.seq DESC LIMIT 30
			) AS p
			CROSS JOIN LATERAL (
				SELECT coalesce(sum(coalesce(k.inserted, k.delta_inserted)), 0) AS inserted, coalesce(sum(coalesce(k.updated, k.delta_updated)), 0) AS updated,
					coalesce(sum(coalesce(k.deleted, k.delta_deleted)), 0) AS deleted
				FROM syncup.batch_counter k WHERE k.batch = p.batch
			) AS c
			CROSS JOIN LATERAL (
				SELECT sum(x.size) AS size FROM (SELECT max(k.file_size) AS size FROM syncup.batch_counter k WHERE k.batch = p.batch GROUP BY k.file) AS x
			) AS f
		) AS o
	), scale AS (
		SELECT greatest(max(r.changed), 1)::numeric AS changed, greatest(max(r.size), 1)::numeric AS size, 720.0 / count(*) AS step FROM run r
	)
	SELECT format(E'<figure>\n<svg viewBox="0 0 800 224" role="img" aria-label="%s">\n<line class="s-axis" x1="0" x2="720" y1="190" y2="190"/>\n<text x="0" y="10">%s changes</text><text x="720" y="10" text-anchor="end">files: at most %s</text>\n%s\n%s\n</svg>\n<figcaption>%s</figcaption>\n</figure>\n',
			format('Changes and file size of the last %s runs. This run: %s changes; the most before: %s.', max(r.runs), max(r.changed) FILTER (WHERE r.x = r.runs), coalesce(max(r.changed) FILTER (WHERE r.x < r.runs), 0)),
			syncup.page_number(max(s.changed)), syncup.page_size(max(s.size)),
			string_agg(format('<rect class="f-stop" x="%1$s" y="%3$s" width="%2$s" height="%4$s"/><rect class="f-bar" x="%1$s" y="%5$s" width="%2$s" height="%6$s"/><rect class="f-go" x="%1$s" y="%7$s" width="%2$s" height="%8$s"/>%9$s',
				round((r.x - 1) * s.step + s.step * 0.15, 1), round(s.step * 0.7, 1),
				round(190 - 170 * r.deleted / s.changed, 1), round(170 * r.deleted / s.changed, 1),
				round(190 - 170 * (r.deleted + r.updated) / s.changed, 1), round(170 * r.updated / s.changed, 1),
				round(190 - 170 * r.changed / s.changed, 1), round(170 * r.inserted / s.changed, 1),
				CASE WHEN r.x = r.runs THEN format('<text x="%s" y="218" text-anchor="middle">this run</text>', round((r.x - 0.5) * s.step, 1))
					WHEN r.status = 'applied' THEN ''
					ELSE format('<text x="%s" y="205" text-anchor="middle">%s</text>', round((r.x - 0.5) * s.step, 1), CASE r.status WHEN 'discarded' THEN '&#9633;' WHEN 'cancelled' THEN '&#9633;' WHEN 'failed' THEN '&#10005;' WHEN 'undone' THEN '&#8630;' ELSE '&#9675;' END) END), E'\n' ORDER BY r.x),
			CASE WHEN count(r.size) > 1 THEN format('<polyline class="s-line" points="%s"/>', string_agg(format('%s,%s', round((r.x - 0.5) * s.step, 1), round(190 - 165 * r.size / s.size, 1)), ' ' ORDER BY r.x) FILTER (WHERE r.size IS NOT NULL)) ELSE '' END,
			'Each column is a run: red from below what it deletes, grey what it updates, green what it inserts, rows and links together. The line is the size of its files.'
				|| CASE WHEN bool_or(r.x < r.runs AND r.status <> 'applied') THEN ' &#9633; was declined or cancelled, &#10005; failed, &#8630; was taken back, &#9675; waits.' ELSE '' END)
		|| format(E'<details><summary>The figures</summary>%s</details>\n', syncup.page_table('The last runs, the newest first', 'When|Mode|State|#Inserted|#Updated|#Deleted|#Files',
			string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td><td class="n">%s</td></tr>',
				syncup.page_time(r.at), r.mode, r.status, syncup.page_number(r.inserted), syncup.page_number(r.updated), syncup.page_number(r.deleted), syncup.page_size(r.size)), E'\n' ORDER BY r.x DESC)))
	FROM run r CROSS JOIN scale s
	WHERE b.prepared_at IS NOT NULL
	HAVING max(r.runs) > 1
$$;
COMMENT ON FUNCTION syncup.page_history(syncup.batch) IS
'This run beside the thirty before, first ones left out: changes as columns, the size of their files as a line.';

/* ---------- who is affected ---------- */

CREATE FUNCTION syncup.page_affected(b syncup.batch, command text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN b.status IN ('applied', 'undone') THEN 'were ' ELSE 'would be ' END
		|| CASE command WHEN 'delete' THEN 'deleted' WHEN 'insert' THEN 'added' ELSE 'changed' END
$$;
COMMENT ON FUNCTION syncup.page_affected(syncup.batch, text) IS
'What becomes or became of rows: "would be deleted".';

CREATE FUNCTION syncup.page_values_sql(rows text, names text[], ordinals int[], expressions text[])
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('SELECT x.ordinal, x.name, x.value, g.rows FROM (SELECT %s, GROUPING(%1$s) AS others, count(*) AS rows FROM (SELECT %s FROM %s) AS c GROUP BY GROUPING SETS (%s)) AS g'
			' CROSS JOIN LATERAL (VALUES %s) AS x (ordinal, name, value, others) WHERE x.others = g.others',
		string_agg('v' || n, ', ' ORDER BY n), string_agg(format('%s AS v%s', expressions[n], n), ', ' ORDER BY n), rows, string_agg(format('(v%s)', n), ', ' ORDER BY n),
		-- GROUPING() has a bit for each column that is not grouped by, the last one's is 1
		string_agg(format('(%s, %L::text, v%s, %s)', ordinals[n], names[n], n, (1 << cardinality(names)) - 1 - (1 << (cardinality(names) - n))), ', ' ORDER BY n))
	FROM generate_series(1, cardinality(names)) AS n
$$;
COMMENT ON FUNCTION syncup.page_values_sql(text, text[], int[], text[]) IS
'SQL: of rows (FROM and WHERE), how many have which value of each of some expressions, in one pass: ordinal, name, value, rows.';

CREATE FUNCTION syncup.page_groups_of(b syncup.batch, mapping text, command text, count bigint)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	few CONSTANT int := 30;		-- values, in a column that is worth a look
	shown CONSTANT int := 12;	-- of them
	m record;
	columns name[];
	part text;			-- SQL: how many of the changed rows have which value of which column
	whole text;			-- SQL: and how many rows as they are before
	page text;
BEGIN
	SELECT p.table_name, v.cells, k.changed_key
	INTO m
	FROM syncup.mapping p JOIN syncup.mapping_cells v USING (connector, mapping) JOIN syncup.mapping_key k USING (connector, mapping)
	WHERE p.connector = b.connector AND p.mapping = page_groups_of.mapping;
	-- The columns are chosen by some rows, and then counted in all.
	EXECUTE format($sql$
		SELECT array_agg(v.name)
		FROM (
			SELECT v.name
			FROM (
				SELECT x.ordinal, x.name, CASE WHEN c.command = 'insert' OR c.command = 'update' AND NOT x.name = ANY (c.changed) THEN x.new ELSE c.old ->> x.name END AS value
				FROM (SELECT c.* FROM syncup_changes.%1$I c WHERE c.batch = $1 AND c.command = $2 AND ($4 = 1 OR hashtextextended(%2$s COLLATE "default", 0) %% $4 = 0)) AS c
				CROSS JOIN LATERAL (VALUES %3$s) AS x (ordinal, name, new, key_part)
				WHERE x.key_part IS NULL
			) AS v
			GROUP BY v.ordinal, v.name
			HAVING count(v.value) > 0 AND count(DISTINCT v.value) <= least($3, greatest(count(*) / 3, 1))
			ORDER BY count(DISTINCT v.value), v.ordinal LIMIT 8
		) AS v
		$sql$, m.table_name, m.changed_key, m.cells) INTO columns USING b.batch, command, few, greatest(count / 2000, 1);
	IF columns IS NULL THEN
		RETURN NULL;
	END IF;
	SELECT syncup.page_values_sql(
			format('syncup_changes.%I c CROSS JOIN LATERAL jsonb_to_record(coalesce(c.old, ''{}'')) AS o (%s) WHERE c.batch = $1 AND c.command = $2',
				m.table_name, string_agg(format('%I text', k.target), ', ')),
			array_agg(k.target::text ORDER BY k.ordinal), array_agg(coalesce(a.attnum, k.ordinal)::int ORDER BY k.ordinal),
			array_agg(CASE command WHEN 'delete' THEN format('o.%I', k.target) WHEN 'insert' THEN n.value
				ELSE format('CASE WHEN %L = ANY (c.changed) THEN o.%I ELSE %s END', k.target, k.target, n.value) END ORDER BY k.ordinal)),
		-- The rows as they are before it, of columns whose texts in the source are those in the target.
		syncup.page_values_sql(format('syncup_previous.%I p', m.table_name),
			array_agg(k.target::text ORDER BY k.ordinal) FILTER (WHERE k.format IS NULL), array_agg(k.ordinal ORDER BY k.ordinal) FILTER (WHERE k.format IS NULL),
			array_agg(format('p.%I COLLATE "default"', k.stored) ORDER BY k.ordinal) FILTER (WHERE k.format IS NULL))
	INTO part, whole
	FROM syncup.mapping_column k
	JOIN syncup.mapping p USING (connector, mapping)
	LEFT JOIN pg_attribute a ON a.attrelid = p.target AND a.attname = k.target
	CROSS JOIN LATERAL (SELECT format('CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%1$I) COLLATE "default" END', k.change_column) AS value) AS n
	WHERE k.connector = b.connector AND k.mapping = page_groups_of.mapping AND k.target = ANY (columns);
	IF b.status IN ('applied', 'undone') OR NOT has_schema_privilege('syncup_previous', 'USAGE') OR NOT has_table_privilege(format('syncup_previous.%I', m.table_name), 'SELECT') THEN
		whole := NULL;
	END IF;
	EXECUTE format($sql$
		WITH part AS (
			%s
		), whole AS (
			SELECT w.*, w.rows / sum(w.rows) OVER (PARTITION BY w.name) AS usual FROM (%s) AS w
		), compared AS (
			SELECT p.*, CASE WHEN $2 = 'insert' OR bool_and(p.rows <= coalesce(w.rows, 0)) OVER (PARTITION BY p.name) THEN w.rows END AS whole,
				p.rows / sum(p.rows) OVER (PARTITION BY p.name) AS share, w.usual,
				row_number() OVER (PARTITION BY p.name ORDER BY p.rows DESC, p.value COLLATE "C") AS place
			FROM part p LEFT JOIN whole w ON w.name = p.name AND w.value IS NOT DISTINCT FROM p.value COLLATE "default"
		), told AS (
			SELECT c.ordinal, c.name, count(*) AS values, count(c.whole) > 0 AS compared, sum(abs(c.share - coalesce(c.usual, 0))) AS telling,
				string_agg(format('<tr><th scope="row">%%s</th><td class="n">%%s</td>%%s<td>%%s</td></tr>', syncup.page_cell(c.value, 60), syncup.page_number(c.rows),
					CASE WHEN c.whole IS NULL THEN '<td></td>' ELSE '<td class="n">of ' || syncup.page_number(c.whole) || '</td>' END,
					syncup.page_bar(c.rows, c.widest, 'part', c.whole)), E'\n' ORDER BY c.place) FILTER (WHERE c.place <= $3) AS rows
			FROM (SELECT c.*, max(greatest(c.rows, c.whole)) OVER (PARTITION BY c.name) AS widest FROM compared c) AS c
			GROUP BY c.ordinal, c.name
			-- one value that all have, here as elsewhere, tells nothing
			HAVING count(c.value) <= $4 AND (count(*) > 1 OR sum(abs(c.share - coalesce(c.usual, 0))) > 0)
			ORDER BY telling DESC, values, c.ordinal LIMIT 3
		)
		SELECT string_agg(syncup.page_table(format('By %%s%%s', syncup.page_value(t.name), CASE WHEN t.values > $3 THEN format(': the %%s commonest of %%s values', $3, t.values) ELSE '' END),
			format('%%s|#%%s|#%%s|', syncup.page_value(t.name), 'Rows', CASE WHEN NOT t.compared THEN '' WHEN $2 = 'insert' THEN 'There are' ELSE 'Of all' END), t.rows), '' ORDER BY t.ordinal)
		FROM told t
		$sql$, part, coalesce(whole, 'SELECT NULL::int AS ordinal, NULL::text AS name, NULL::text AS value, NULL::bigint AS rows WHERE false'))
	INTO page USING b.batch, command, shown, few;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.page_groups_of(syncup.batch, text, text, bigint) IS
'What rows of a command have in common: up to three columns with few values, each value against all rows that have it.';

CREATE FUNCTION syncup.page_groups(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(format(E'<h3>%s %s</h3>\n<div class="beside">%s</div>', syncup.page_count(g.count, g.mapping), syncup.page_affected(b, g.command), g.tables), '' ORDER BY g.count DESC, g.mapping)
	FROM (
		SELECT c.mapping, v.command, v.count, syncup.page_groups_of(b, c.mapping, v.command, v.count) AS tables
		FROM syncup.batch_counter c
		CROSS JOIN LATERAL (VALUES ('delete', c.deleted), ('update', c.updated), ('insert', c.inserted)) AS v (command, count)
		WHERE c.batch = b.batch AND c.kind = 'entity type' AND v.count >= 5 AND NOT redact
		ORDER BY v.count DESC, c.mapping LIMIT 4
	) AS g
	WHERE g.tables IS NOT NULL
$$;
COMMENT ON FUNCTION syncup.page_groups(syncup.batch, boolean) IS
'Who is affected: the largest sets of changed rows, grouped.';

CREATE FUNCTION syncup.page_updates(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	commonest CONSTANT int := 5;
	enough CONSTANT int := 5000;	-- rows, to find the commonest change among them
	m record;
	columns name[];		-- that change, those that change in most rows first,
	rows bigint[];		-- and in how many
	olds text[];		-- their commonest changes, in the order of the columns
	news text[];
	numbers int[];		-- of which column each is
	counts bigint[];	-- how often each of them is so; redacted: how many different ones a column has
	counted text;		-- SQL for that
	body text;
	page text := '';
BEGIN
	FOR m IN
		SELECT p.mapping, p.table_name, v.cells, k.changed_key, c.updated,
			ARRAY(SELECT n.target FROM syncup.mapping_column n LEFT JOIN pg_attribute a ON a.attrelid = p.target AND a.attname = n.target
				WHERE n.connector = p.connector AND n.mapping = p.mapping AND n.target IS NOT NULL ORDER BY coalesce(a.attnum, n.ordinal)) AS targets
		FROM syncup.mapping p
		JOIN syncup.mapping_cells v USING (connector, mapping)
		JOIN syncup.mapping_key k USING (connector, mapping)
		JOIN syncup.batch_counter c ON c.batch = b.batch AND c.mapping = p.mapping AND c.updated > 0
		WHERE p.connector = b.connector AND p.kind = 'entity type'
		ORDER BY p.ordinal LIMIT 20
	LOOP
		EXECUTE format($sql$
			SELECT array_agg(n.name), array_agg(n.rows)
			FROM (
				SELECT u.name, count(*) AS rows
				FROM syncup_changes.%I c CROSS JOIN LATERAL unnest(c.changed) AS u (name)
				WHERE c.batch = $1 AND c.command = 'update'
				GROUP BY u.name ORDER BY rows DESC, array_position($2, u.name) LIMIT 30
			) AS n
			$sql$, m.table_name) INTO columns, rows USING b.batch, m.targets;
		CONTINUE WHEN columns IS NULL;		-- they were not kept
		-- The commonest changes are looked for in some rows; where a column changes in few, in these.
		EXECUTE format($sql$
			SELECT array_agg(p.old ORDER BY p.number, p.place), array_agg(p.new ORDER BY p.number, p.place),
				array_agg(p.number ORDER BY p.number, p.place), array_agg(p.rows ORDER BY p.number, p.place)
			FROM (
				SELECT p.*, row_number() OVER (PARTITION BY p.number ORDER BY p.rows DESC, p.old COLLATE "C", p.new COLLATE "C") AS place
				FROM (
					SELECT u.number::int, c.old ->> x.name AS old, x.new, count(*) AS rows
					FROM syncup_changes.%1$I c
					CROSS JOIN LATERAL (SELECT hashtextextended(%2$s COLLATE "default", 0) %% $2 = 0 AS sampled) AS s
					CROSS JOIN LATERAL (VALUES %3$s) AS x (ordinal, name, new, key_part)
					JOIN unnest($3) WITH ORDINALITY AS u (name, number) ON u.name = x.name
					WHERE c.batch = $1 AND c.command = 'update' AND (s.sampled OR c.changed && $4) AND x.name = ANY (c.changed) AND (s.sampled OR x.name = ANY ($4))
					GROUP BY 1, 2, 3
				) AS p
			) AS p
			WHERE p.place <= $5
			$sql$, m.table_name, m.changed_key, m.cells)
		INTO olds, news, numbers, counts
		USING b.batch, greatest(m.updated / enough, 1), columns, ARRAY(SELECT u.name FROM unnest(columns, rows) AS u (name, rows) WHERE u.rows < enough), commonest;
		IF redact OR m.updated >= 2 * enough THEN
			WITH cell AS (
				SELECT u.number, format('%L = ANY (c.changed)', k.target) AS changed, format('o.%I', k.target) AS old,
					format('CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%1$I) COLLATE "default" END', k.change_column) AS new
				FROM unnest(columns) WITH ORDINALITY AS u (name, number)
				JOIN syncup.mapping_column k ON k.connector = b.connector AND k.mapping = m.mapping AND k.target = u.name
			)
			SELECT CASE WHEN redact THEN (SELECT string_agg(format('count(DISTINCT hash_record_extended(ROW(%s, %s), 0)) FILTER (WHERE %s)', c.old, c.new, c.changed), ', ' ORDER BY c.number) FROM cell c)
				ELSE (SELECT string_agg(format('count(*) FILTER (WHERE %s AND %s IS NOT DISTINCT FROM ($2)[%s] AND %s IS NOT DISTINCT FROM ($3)[%3$s])', c.changed, c.old, u.place, c.new), ', ' ORDER BY u.place)
					FROM unnest(numbers) WITH ORDINALITY AS u (number, place) JOIN cell c USING (number)) END
			INTO counted;
			EXECUTE format('SELECT ARRAY[%s] FROM syncup_changes.%I c CROSS JOIN LATERAL jsonb_to_record(c.old) AS o (%s) WHERE c.batch = $1 AND c.command = ''update''',
				counted, m.table_name, (SELECT string_agg(format('%I text', u.name), ', ') FROM unnest(columns) AS u (name)))
			INTO counts USING b.batch, olds, news;
		END IF;
		IF redact THEN
			SELECT string_agg(format('<tr><th scope="row">%s</th><td class="n">%s</td><td class="n">%s</td></tr>', syncup.page_value(u.name), syncup.page_number(u.rows), syncup.page_number(u.changes)), E'\n' ORDER BY u.number)
			INTO body FROM unnest(columns, rows, counts) WITH ORDINALITY AS u (name, rows, changes, number);
		ELSE
			SELECT string_agg('<tbody>' || c.body || '</tbody>', E'\n' ORDER BY c.number)
			INTO body
			FROM (
				SELECT p.number, string_agg(format('<tr>%s<td>%s</td><td>%s</td><td class="n">%s</td></tr>',
					CASE p.place WHEN 1 THEN format('<th scope="rowgroup" rowspan="%1$s">%2$s</th><td class="n" rowspan="%1$s">%3$s</td>',
						p.shown, syncup.page_value(columns[p.number]), syncup.page_number(rows[p.number])) END,
					d.marked[1], d.marked[2], syncup.page_number(p.count)), E'\n' ORDER BY p.place) AS body
				FROM (
					SELECT u.*, row_number() OVER (PARTITION BY u.number ORDER BY u.count DESC, u.old COLLATE "C", u.new COLLATE "C") AS place, count(*) OVER (PARTITION BY u.number) AS shown
					FROM unnest(olds, news, numbers, counts) AS u (old, new, number, count)
				) AS p
				CROSS JOIN LATERAL (SELECT syncup.page_difference(p.old, p.new) AS marked) AS d
				GROUP BY p.number
			) AS c;
		END IF;
		page := page || coalesce(syncup.page_table(format('%s %s: which columns%s', syncup.page_count(m.updated, m.mapping), syncup.page_affected(b, 'update'),
			CASE WHEN redact THEN '' ELSE ', with the commonest changes' END), CASE WHEN redact THEN 'Column|#Rows|#Different changes' ELSE 'Column|#Rows|Before|After|#Times' END, body), '');
	END LOOP;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.page_updates(syncup.batch, boolean) IS
'Updates by column, with the five commonest old and new values of each.';

/* ---------- rows ---------- */

CREATE FUNCTION syncup.page_who(key text, is_named boolean, name text, attributes text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN is_named THEN format('<th%s>%s</th><td class="key"%s>%s</td>', attributes, syncup.page_cell(name), replace(replace(attributes, ' scope="rowgroup"', ''), ' scope="row"', ''), syncup.page_value(key))
		ELSE format('<th%s>%s</th>', attributes, syncup.page_value(key)) END
$$;
COMMENT ON FUNCTION syncup.page_who(text, boolean, text, text) IS
'The cells of a row that say whose it is: the name, where the mapping has a column for that, and the key.';

CREATE FUNCTION syncup.page_rows_of(b syncup.batch, mapping text, command text, condition text, rows bigint, redact boolean, budget int)
RETURNS TABLE (page text, shown bigint, count bigint)
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
AS $$
#variable_conflict use_column
DECLARE
	more_columns CONSTANT int := 4;		-- beside key and name, of rows that come or go
	m record;
	display name;
	others name[];
	head text;
	line text;
	body text;
BEGIN
	SELECT p.table_name, p.options ->> 'display' AS display, v.cells, k.changed_key,
		-- links of a row that go with it
		(SELECT string_agg(format('SELECT l.%I AS key FROM syncup_changes.%I l WHERE l.batch = $1 AND l.command = ''delete''', 'key' || a.side, o.table_name), ' UNION ALL ')
			FROM syncup.association a JOIN syncup.mapping o ON o.connector = a.connector AND o.mapping = a.mapping
			WHERE a.connector = b.connector AND a.entity_connector = b.connector AND a.entity = p.mapping AND command = 'delete') AS links
	INTO m
	FROM syncup.mapping p
	JOIN syncup.mapping_cells v USING (connector, mapping)
	JOIN syncup.mapping_key k USING (connector, mapping)
	WHERE p.connector = b.connector AND p.mapping = page_rows_of.mapping;
	display := CASE WHEN NOT redact THEN m.display END;
	SELECT array_agg(x.target ORDER BY x.place) FILTER (WHERE x.place <= more_columns) INTO others
	FROM (
		SELECT k.target, row_number() OVER (ORDER BY a.attnum) AS place
		FROM syncup.mapping_column k
		JOIN syncup.mapping p USING (connector, mapping)
		LEFT JOIN pg_attribute a ON a.attrelid = p.target AND a.attname = k.target
		WHERE k.connector = b.connector AND k.mapping = page_rows_of.mapping AND k.target IS NOT NULL AND k.key_part IS NULL
			AND k.target IS DISTINCT FROM display AND NOT redact
	) AS x;
	head := coalesce(syncup.page_value(display) || '|', '') || 'Key';
	IF command = 'update' THEN
		head := head || CASE WHEN redact THEN '|Columns' ELSE '|Column|Before|After' END;
		line := $sql$'<tbody>' || (
			SELECT string_agg(format('<tr>%%s%%s</tr>', CASE d.place WHEN 1 THEN syncup.page_who(r.key, $4 IS NOT NULL, r.display, format(' scope="rowgroup" rowspan="%%s"', d.cells)) END, d.cell), E'\n' ORDER BY d.place)
			FROM (
				SELECT row_number() OVER (ORDER BY v.ordinal) AS place, CASE WHEN $5 THEN 1 ELSE count(*) OVER () END AS cells,
					CASE WHEN $5 THEN format('<td>%%s</td>', array_to_string(ARRAY(SELECT syncup.page_value(n) FROM unnest(c.changed) AS n ORDER BY n COLLATE "C"), ', '))
						ELSE format('<td>%%s</td><td>%%s</td>', syncup.page_value(v.name), array_to_string(syncup.page_difference(c.old ->> v.name, v.new), '</td><td>')) END AS cell
				FROM (VALUES %s) AS v (ordinal, name, new, key_part) WHERE v.name = ANY (c.changed)
			) AS d WHERE NOT $5 OR d.place = 1) || '</tbody>'$sql$;
	ELSE
		head := head || coalesce('|' || array_to_string(ARRAY(SELECT syncup.page_value(o) FROM unnest(others) WITH ORDINALITY AS u (o, place) ORDER BY place), '|'), '')
			|| CASE WHEN m.links IS NULL THEN '' ELSE '|#Links lost' END;
		line := $sql$format('<tr>%%s%%s%%s</tr>', syncup.page_who(r.key || CASE WHEN c.command = 'delete' AND c.changed = '{}' THEN ' (goes to another mapping)' ELSE '' END,
				$4 IS NOT NULL, r.display, ' scope="row"'),
			(SELECT string_agg('<td>' || syncup.page_cell(CASE c.command WHEN 'insert' THEN v.new ELSE c.old ->> v.name END, 48) || '</td>', '' ORDER BY v.ordinal)
				FROM (VALUES %s) AS v (ordinal, name, new, key_part) WHERE v.name = ANY ($6)),
			CASE WHEN $8 THEN '<td class="n">' || syncup.page_number(coalesce(lost.links, 0)) || '</td>' END)$sql$;
	END IF;
	EXECUTE format($sql$
		WITH hit AS MATERIALIZED (
			SELECT %1$s COLLATE "default" AS key, c.ctid AS version FROM syncup_changes.%3$I c WHERE c.batch = $1 AND c.command = $2 AND (%4$s)
		)
		SELECT string_agg(s.line, E'\n' ORDER BY s.place) FILTER (WHERE s.bytes <= $7), count(*) FILTER (WHERE s.bytes <= $7), (SELECT count(*) FROM hit)
		FROM (
			SELECT r.place, l.line, sum(octet_length(l.line)) OVER (ORDER BY r.place) AS bytes
			FROM (
				SELECT f.place, f.key, f.version,
					(SELECT CASE WHEN c.command = 'delete' THEN c.old ->> v.name ELSE v.new END FROM (VALUES %2$s) AS v (ordinal, name, new, key_part) WHERE v.name = $4) AS display
				FROM (
					SELECT h.*, row_number() OVER (ORDER BY h.key COLLATE "C") AS place
					FROM (SELECT * FROM hit ORDER BY key COLLATE "C" LIMIT greatest(least($3, $7 / 100), 0)) AS h	-- no row takes fewer bytes
				) AS f
				JOIN syncup_changes.%3$I c ON c.ctid = f.version
			) AS r
			LEFT JOIN (SELECT l.key COLLATE "default" AS key, count(*) AS links FROM (%6$s) AS l GROUP BY 1) AS lost ON lost.key = r.key
			JOIN syncup_changes.%3$I c ON c.ctid = r.version
			CROSS JOIN LATERAL (SELECT %5$s AS line) AS l
		) AS s
		$sql$, m.changed_key, m.cells, m.table_name, condition, format(line, m.cells),
		coalesce(m.links, 'SELECT NULL::text AS key WHERE false'))
	INTO body, shown, count USING b.batch, command, rows, display, redact, others, budget, m.links IS NOT NULL;
	page := syncup.page_table(format('%s %s%s', syncup.page_count(count, mapping), syncup.page_affected(b, command),
		CASE WHEN count > shown THEN format(': the first %s by key', syncup.page_number(shown)) ELSE '' END), head, body);
	RETURN NEXT;
END
$$;
COMMENT ON FUNCTION syncup.page_rows_of(syncup.batch, text, text, text, bigint, boolean, int) IS
'The rows of a command of an entity type that meet a condition over the change table "c": so many, and not more bytes than a budget.';

CREATE FUNCTION syncup.page_watch(connector text, mapping text, watch text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format('EXISTS (SELECT FROM (SELECT %s WHERE c.command <> ''insert'' UNION ALL SELECT %s WHERE c.command <> ''delete'') AS r (%s) WHERE (%s' || E'\n))',
		string_agg(format('CASE WHEN %L = ANY (c.changed) OR c.command = ''delete'' AND %L THEN c.old ->> %1$L ELSE %3$s END', k.target, k.key_part IS NULL, n.value), ', ' ORDER BY k.ordinal),
		string_agg(n.value, ', ' ORDER BY k.ordinal), string_agg(quote_ident(k.target), ', ' ORDER BY k.ordinal), page_watch.watch)
	FROM syncup.mapping_column k
	CROSS JOIN LATERAL (SELECT format('CASE WHEN c.%I IS DISTINCT FROM NULL THEN concat(c.%1$I) END COLLATE "default"', k.change_column) AS value) AS n
	WHERE k.connector = page_watch.connector AND k.mapping = page_watch.mapping AND k.target IS NOT NULL
$$;
COMMENT ON FUNCTION syncup.page_watch(text, text, text) IS
'Option "watch" as a condition over a change table "c": whether it holds of the row before or after the change.';

CREATE FUNCTION syncup.page_people(b syncup.batch, watched boolean, rows bigint, redact boolean, budget int)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	m record;
	part record;
	page text := '';
BEGIN
	FOR m IN
		SELECT p.mapping, p.options ->> 'watch' AS watch, v.command
		FROM syncup.mapping p
		JOIN syncup.batch_counter c ON c.batch = b.batch AND c.mapping = p.mapping
		CROSS JOIN LATERAL (VALUES (1, 'delete', c.deleted), (2, 'update', c.updated), (3, 'insert', c.inserted)) AS v (place, command, count)
		WHERE p.connector = b.connector AND p.kind = 'entity type' AND v.count > 0 AND (NOT watched OR p.options ? 'watch')
		ORDER BY v.place, p.ordinal
	LOOP
		BEGIN
			SELECT * INTO part FROM syncup.page_rows_of(b, m.mapping, m.command,
				CASE WHEN watched THEN syncup.page_watch(b.connector, m.mapping, m.watch) ELSE 'true' END, rows, redact, budget - octet_length(page));
			page := page || coalesce(part.page, '');
			IF part.count > part.shown AND (watched OR part.shown < rows) THEN
				page := page || CASE part.shown WHEN 0 THEN format(E'<p>%s %s, too many for this page: see syncup_changes().</p>\n', syncup.page_count(part.count, m.mapping), syncup.page_affected(b, m.command))
					ELSE format(E'<p>%s more are too many for this page: see syncup_changes().</p>\n', syncup.page_number(least(part.count, rows) - part.shown)) END;
			END IF;
		EXCEPTION WHEN data_exception THEN
			-- What an error says may quote a value.
			page := page || format(E'<p class="note">Rows of %s to watch are not known: the option "watch" cannot be evaluated (SQLSTATE %s).</p>\n', syncup.page_value(m.mapping), SQLSTATE);
		END;
	END LOOP;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.page_people(syncup.batch, boolean, bigint, boolean, int) IS
'The changed rows of entity types, one by one: all, or those that option "watch" names.';

CREATE FUNCTION syncup.page_links(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
#variable_conflict use_column
DECLARE
	shown CONSTANT int := 20;
	m record;
	body text;
	resources bigint;
	page text := '';
BEGIN
	FOR m IN
		SELECT p.mapping, p.table_name, c.inserted, c.updated, c.deleted, 'key' || s.side AS key, syncup.page_names_sql(b, p.mapping, s.side, redact) AS names
		FROM syncup.mapping p
		JOIN syncup.batch_counter c ON c.batch = b.batch AND c.mapping = p.mapping
		CROSS JOIN LATERAL (
			-- of a link in a column of side 1, the other one
			SELECT CASE WHEN EXISTS (SELECT FROM syncup.association a WHERE a.connector = p.connector AND a.mapping = p.mapping AND a.side = 1 AND a.target_column IS NULL)
				THEN 2 ELSE 1 END AS side
		) AS s
		WHERE p.connector = b.connector AND p.kind = 'association' AND c.inserted + c.updated + c.deleted > 0
		ORDER BY p.ordinal LIMIT 20
	LOOP
		EXECUTE format($sql$
			SELECT string_agg(format('<tr><th scope="row">%%s%%s</th><td class="n">%%s</td><td class="n">%%s</td><td class="n">%%s</td><td>%%s</td></tr>',
					coalesce(syncup.page_value(n.name) || '<br>', ''), '<span class="key">' || syncup.page_value(r.key) || '</span>',
					syncup.page_number(r.deleted) || CASE WHEN o.stored IS NULL THEN '' ELSE ' of ' || syncup.page_number(o.stored) END, syncup.page_number(r.updated), syncup.page_number(r.inserted),
					syncup.page_bar(r.deleted, r.widest, 'stop', r.deleted + r.inserted) || CASE WHEN o.exceeds THEN '<strong class="stop">&#9632; over its limit</strong>' ELSE '' END), E'\n' ORDER BY r.place), max(r.resources)
			FROM (
				SELECT c.%2$I COLLATE "default" AS key, count(*) FILTER (WHERE c.command = 'delete') AS deleted, count(*) FILTER (WHERE c.command = 'update') AS updated,
					count(*) FILTER (WHERE c.command = 'insert') AS inserted, count(*) OVER () AS resources, max(count(*)) OVER () AS widest,
					row_number() OVER (ORDER BY count(*) FILTER (WHERE c.command = 'delete') DESC, count(*) DESC, c.%2$I COLLATE "C") AS place
				FROM syncup_changes.%1$I c WHERE c.batch = $1
				GROUP BY c.%2$I ORDER BY place LIMIT $2
			) AS r
			LEFT JOIN syncup.batch_resource o ON o.batch = $1 AND o.mapping = $3 AND o.resource = r.key AND %4$L
			LEFT JOIN LATERAL (SELECT x.name FROM (%3$s) AS x WHERE x.key = r.key OR x.key = upper(r.key) LIMIT 1) AS n ON true
			$sql$, m.table_name, m.key, m.names, m.key = 'key1')
		INTO body, resources USING b.batch, shown, m.mapping;
		page := page || coalesce(syncup.page_table(format('%s: %s links lost, %s moved, %s new%s', syncup.page_value(m.mapping), syncup.page_number(m.deleted), syncup.page_number(m.updated),
			syncup.page_number(m.inserted), CASE WHEN resources > shown THEN format('; the %s that lose most of %s', shown, syncup.page_number(resources)) ELSE '' END),
			'Of|#Lost|#Moved|#New|', body), '');
	END LOOP;
	RETURN page;
END
$$;
COMMENT ON FUNCTION syncup.page_links(syncup.batch, boolean) IS
'Changed links by the resource that has many of them, those that lose most first.';

CREATE FUNCTION syncup.page_reason(reason text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_escape(reason) || coalesce(' <span class="soft">(' || CASE reason
		WHEN 'null key' THEN 'the row does not say whose it is'
		WHEN 'duplicate' THEN 'the same key again, with other values'
		WHEN 'conflict' THEN 'a second value where one is allowed'
		WHEN 'malformed' THEN 'the row has not the columns that it should have'
		WHEN 'encoding' THEN 'characters that cannot be read'
		WHEN 'conversion' THEN 'a value that the table does not take'
		WHEN 'unknown key' THEN 'a change of a row that is not there'
		WHEN 'orphan' THEN 'a pair with an end that is not found'
	END || ')</span>', '')
$$;
COMMENT ON FUNCTION syncup.page_reason(text) IS
'Why a row was set aside, and what that means.';

CREATE FUNCTION syncup.page_set_aside(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT concat(
		(SELECT syncup.page_table('Rows that were set aside, by reason', 'What|Reason|#Rows',
				string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td class="n">%s</td></tr>', syncup.page_value(r.mapping), syncup.page_reason(r.reason), syncup.page_number(r.rows)), E'\n' ORDER BY r.rows DESC, r.mapping, r.reason))
			FROM (
				SELECT q.mapping, q.reason, count(*) AS rows FROM syncup.quarantine q WHERE q.batch = b.batch GROUP BY 1, 2 ORDER BY 3 DESC, 1, 2 LIMIT 40
			) AS r),
		(SELECT syncup.page_table(format('The first %s of them', count(*)), 'What|#Line|Reason|Key' || CASE WHEN redact THEN '' ELSE '|Message|Row' END,
				string_agg(format('<tr><th scope="row">%s</th><td class="n">%s</td><td>%s</td><td>%s</td>%s</tr>', syncup.page_value(q.mapping), q.line, syncup.page_escape(q.reason), syncup.page_cell(q.key),
					CASE WHEN redact THEN '' ELSE format('<td>%s</td><td>%s</td>', syncup.page_cell(q.message, 200), syncup.page_cell(q.raw, 120)) END), E'\n' ORDER BY q.place))
			FROM (
				SELECT x.*, row_number() OVER (ORDER BY x.reason = 'orphan', x.mapping COLLATE "C", x.line, x.key COLLATE "C") AS place FROM syncup.quarantine x WHERE x.batch = b.batch ORDER BY place LIMIT 20
			) AS q))
$$;
COMMENT ON FUNCTION syncup.page_set_aside(syncup.batch, boolean) IS
'Rows of the files that were set aside: by reason, and the first of them.';

CREATE FUNCTION syncup.page_names(names text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(syncup.page_value(n, 60), ', ' ORDER BY place) FILTER (WHERE place <= 20) || CASE WHEN count(*) > 20 THEN format(' and %s more', count(*) - 20) ELSE '' END
	FROM unnest(names) WITH ORDINALITY AS u (n, place)
$$;
COMMENT ON FUNCTION syncup.page_names(text[]) IS
'Up to twenty names as HTML; null: there are none.';

CREATE FUNCTION syncup.page_header(now text[], before text[])
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE
		WHEN now IS NULL THEN '<span class="soft">not recorded</span>'
		WHEN before IS NULL THEN syncup.page_count(cardinality(now), 'column') || ', none to compare with'
		WHEN now = before THEN syncup.page_count(cardinality(now), 'column') || ', as before'
		ELSE coalesce(nullif(concat_ws('<br>',
			'<strong>missing:</strong> ' || syncup.page_names(ARRAY(SELECT n FROM unnest(before) WITH ORDINALITY AS u (n, place) WHERE n <> ALL (now) ORDER BY place)),
			'<strong>new:</strong> ' || syncup.page_names(ARRAY(SELECT n FROM unnest(now) WITH ORDINALITY AS u (n, place) WHERE n <> ALL (before) ORDER BY place))), ''),
			'the same columns in another order')
	END
$$;
COMMENT ON FUNCTION syncup.page_header(text[], text[]) IS
'What a header lacks, or has beyond the one before, as HTML.';

CREATE FUNCTION syncup.page_files(b syncup.batch)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT syncup.page_table('Files that were read, and their headers against the last run that was applied', 'File|For|Written|#Size|#Rows|Header',
		string_agg(format('<tr><th scope="row">%s</th><td>%s</td><td>%s</td><td class="n">%s</td><td class="n">%s</td><td>%s</td></tr>',
			syncup.page_value(f.file, 300), f.mappings, syncup.page_time(f.written), syncup.page_size(f.size), syncup.page_number(f.rows), syncup.page_header(f.header, f.before)), E'\n' ORDER BY f.ordinal, f.file))
	FROM (
		SELECT c.file, min(m.ordinal) AS ordinal, max(c.file_modified) AS written, max(c.file_size) AS size, max(c.rows_read) AS rows,
			string_agg(syncup.page_value(c.mapping), ', ' ORDER BY m.ordinal, c.mapping) AS mappings,
			max(h.header) AS header, max(h.before) AS before
		FROM syncup.batch_counter c
		LEFT JOIN syncup.mapping m ON m.connector = b.connector AND m.mapping = c.mapping
		LEFT JOIN LATERAL (
			SELECT h.header, (
				SELECT p.header FROM syncup.source_header p
				WHERE p.connector = h.connector AND p.mapping = h.mapping AND p.source = h.source AND p.seq <= (
					SELECT max(x.seq) FROM syncup.batch x WHERE x.connector = b.connector AND x.status = 'applied' AND x.mode <> 'undo' AND x.seq < b.seq)
				ORDER BY p.seq DESC LIMIT 1) AS before
			FROM syncup.source_header h
			WHERE h.connector = b.connector AND h.mapping = c.mapping AND h.seq <= b.seq
			ORDER BY h.seq DESC LIMIT 1
		) AS h ON true
		WHERE c.batch = b.batch AND c.file IS NOT NULL
		GROUP BY c.file
		ORDER BY 2 LIMIT 40
	) AS f
$$;
COMMENT ON FUNCTION syncup.page_files(syncup.batch) IS
'The files of a batch, with what their headers lack or have beyond those of the last applied batch.';

/* ---------- what to do ---------- */

CREATE FUNCTION syncup.page_call(call text)
RETURNS text
LANGUAGE sql STABLE STRICT
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT format(E'<pre tabindex="0"><code>%s</code></pre>\n', syncup.page_escape(call))
$$;
COMMENT ON FUNCTION syncup.page_call(text) IS
'A statement to copy.';

CREATE FUNCTION syncup.page_decision(b syncup.batch)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT CASE WHEN b.status <> 'blocked' THEN
			'<ul>' || string_agg(format(E'<li>%s%s</li>\n', syncup.page_escape(s.words), syncup.page_call(s.call)), '' ORDER BY s.place) || '</ul>'
		ELSE E'<p>Who decides signs one of these, and has its statement run in the database by whoever looks after syncup.</p>\n<div class="choices">' || string_agg(format(E'<article class="choice">\n<h3>%s</h3>\n%s%s<p class="sign" aria-hidden="true"><span>Name</span><span>Date</span><span>Ticket</span></p>\n</article>\n',
				c.heading, c.effect, syncup.page_call(s.call)), '' ORDER BY c.place) FILTER (WHERE c.place IS NOT NULL)
			|| E'</div>\n<p>To see every change, cell by cell:</p>' || max(syncup.page_call(s.call)) FILTER (WHERE s.choice = 'look') END
	FROM syncup.next_steps(b.batch) WITH ORDINALITY AS s (choice, words, call, place)
	LEFT JOIN (
		SELECT 1, 'apply', 'Apply: the changes are right',
			format(E'<p><strong>What happens:</strong> exactly what is stored and shown here is written: %s. The files are not read again. The limits are waived for this run alone.</p>\n<p>%s</p>\n',
				syncup.page_done(b), CASE WHEN coalesce(current_setting('syncup.keep_changes_for', true), '0') <> '0' THEN format('It can be taken back with syncup_undo() for %s, unless later runs change the same rows.', syncup.page_escape(current_setting('syncup.keep_changes_for')))
					WHEN b.changes_kept THEN 'It can be taken back later with syncup_undo().'
					ELSE 'syncup cannot take it back later: changes of applied runs are not kept.' END
				|| coalesce((SELECT format(E'</p>\n<p>%s</p>%s<p>Or apply them alone:', syncup.page_escape(n.words), syncup.page_call(n.call))
					FROM syncup.next_steps(b.batch) n WHERE n.choice = 'job'), ''))
		UNION ALL
		SELECT 2, 'decline', 'Decline: the source is wrong',
			format(E'<p><strong>What happens:</strong> nothing is written; the tables stay as they are. %s%s</p>\n<p>Have the export made again. Put the reason into the statement.</p>\n',
				(SELECT CASE count(*) WHEN 0 THEN '' WHEN 1 THEN 'The run queued behind it is declined too. ' ELSE format('The %s runs queued behind it are declined too. ', count(*)) END
					FROM syncup.batch o WHERE o.connector = b.connector AND o.seq > b.seq AND o.prepared_at IS NOT NULL AND o.status IN ('prepared', 'blocked', 'failed')),
				CASE WHEN b.source_changes THEN 'The changes that the source computed are lost: a complete run must follow.' ELSE 'The next run with a corrected file finds the right changes.' END)
		UNION ALL
		SELECT 3, 'hold', 'Ask first: you do not know',
			format(E'<p><strong>What happens:</strong> it waits as long as you like; the tables stay as they are. The statement keeps a complete run from taking its place meanwhile; afterwards <code>syncup_activate</code> lets the connector run again.</p>\n<p>Ask: %s</p>\n',
				coalesce((SELECT syncup.page_value(x.options ->> 'contact', 300) FROM syncup.connector x WHERE x.connector = b.connector AND x.options ? 'contact'), 'whoever looks after the source'))
	) AS c (place, choice, heading, effect) ON c.choice = s.choice AND b.status = 'blocked'
$$;
COMMENT ON FUNCTION syncup.page_decision(syncup.batch) IS
'What can be decided, what each decision does, and what to call.';

CREATE FUNCTION syncup.page_footer(b syncup.batch, redact boolean)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
SET datestyle = 'ISO, YMD'
SET intervalstyle = 'postgres'
SET timezone = 'UTC'
SET bytea_output = 'hex'
SET extra_float_digits = 1
SET min_parallel_table_scan_size = 0
SET parallel_setup_cost = 0
SET parallel_tuple_cost = 0
AS $$
DECLARE
	m record;
	digest bytea;
	digests text := '';
BEGIN
	FOR m IN
		SELECT p.mapping, p.table_name FROM syncup.mapping p WHERE p.connector = b.connector AND NOT redact ORDER BY p.mapping COLLATE "C"
	LOOP
		EXECUTE format('SELECT sha256(string_agg(d, '''')) FROM (SELECT sha256(convert_to((c.*)::text, getdatabaseencoding())) AS d FROM syncup_changes.%I c WHERE c.batch = $1 ORDER BY d) AS x', m.table_name)
		INTO digest USING b.batch;
		digests := digests || coalesce(m.mapping || encode(digest, 'hex'), '');
	END LOOP;
	RETURN format(E'<footer>\n<p>Batch %s of connector %s, number %s. Page made %s by syncup %s.</p>\n<p>Digest of the stored changes: %s</p>\n</footer>\n',
		b.batch, syncup.page_value(b.connector), b.seq, syncup.page_time(now()), (SELECT e.extversion FROM pg_extension e WHERE e.extname = 'syncup'),
		-- By it values could be tried out.
		CASE WHEN redact THEN 'left out' WHEN digests = '' THEN 'none are stored' ELSE 'SHA-256 ' || encode(sha256(convert_to(digests, getdatabaseencoding())), 'hex') END);
END
$$;
COMMENT ON FUNCTION syncup.page_footer(syncup.batch, boolean) IS
'Which batch, which version, and a digest by which two looks at the same changes are known.';

/* ---------- the whole ---------- */

CREATE FUNCTION syncup.page_contents(body text)
RETURNS text
LANGUAGE sql IMMUTABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT E'<nav aria-label="On this page"><ul>' || string_agg(format('<li><a href="#%s">%s</a></li>', m[1], m[2]), '') || E'</ul></nav>\n'
	FROM regexp_matches(body, '<section id="([a-z]+)"[^>]*>\n<h2[^>]*>([^<]*)</h2>', 'g') AS m
$$;
COMMENT ON FUNCTION syncup.page_contents(text) IS
'Links to the sections of a page.';

CREATE FUNCTION syncup.page_report(batch uuid, options jsonb)
RETURNS text
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	budget CONSTANT int := 1800000;		-- bytes, so that the page stays under 2 MB
	b syncup.batch;
	redact boolean;
	rows numeric;
	head text;
	body text;
	tail text;
	watched text;
	people text;
	budget_left int;
BEGIN
	PERFORM syncup.check_options('syncup_report()', '{"redact": "boolean", "rows": "number"}', coalesce(options, '{}'));
	redact := coalesce((options ->> 'redact')::boolean, false);
	rows := coalesce((options ->> 'rows')::numeric, 200);
	IF rows NOT BETWEEN 0 AND 100000 OR rows <> trunc(rows) THEN
		RAISE 'option "rows" of syncup_report() is a whole number from 0 to 100000' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	SELECT * INTO b FROM syncup.batch o WHERE o.batch = page_report.batch;
	head := syncup.page_headline(b, redact)
		|| CASE WHEN redact THEN E'<p class="note">Values are left out of this page: it shows keys and counts only.</p>\n' ELSE '' END;
	body := concat(
		syncup.page_section('verdict', 'What stands out', syncup.page_verdict(b, redact)),
		syncup.page_section('rows', 'Rows', syncup.page_rows(b)),
		syncup.page_section('limits', 'Limits', syncup.page_limits(b, redact)),
		syncup.page_section('checks', 'Checks', syncup.page_checks(b, redact)),
		syncup.page_section('history', 'Is this normal?', syncup.page_history(b)),
		syncup.page_section('groups', 'Who is affected', syncup.page_groups(b, redact)),
		syncup.page_section('updates', 'What is changed', syncup.page_updates(b, redact)));
	tail := concat(
		syncup.page_section('links', 'Links', syncup.page_links(b, redact)),
		syncup.page_section('aside', 'Rows set aside', syncup.page_set_aside(b, redact)),
		syncup.page_section('files', 'Files', syncup.page_files(b)),
		syncup.page_section('decision', CASE b.status WHEN 'blocked' THEN 'The decision' ELSE 'What to do' END, syncup.page_decision(b)));
	budget_left := budget - octet_length(body) - octet_length(tail);
	watched := syncup.page_section('watched', 'Rows to watch', syncup.page_people(b, true, NULL, redact, budget_left / 2));
	people := syncup.page_section('people', 'One by one', syncup.page_people(b, false, rows::bigint, redact, budget_left - octet_length(watched)));
	body := concat(body, people, watched, tail);
	RETURN syncup.page_frame(format('%s: %s run is %s', b.connector, b.mode, b.status),
		head || syncup.page_contents(body) || E'<main id="main">\n' || body || E'</main>\n' || syncup.page_footer(b, redact));
END
$$;
COMMENT ON FUNCTION syncup.page_report(uuid, jsonb) IS
'The report of a batch as a page of HTML.';
