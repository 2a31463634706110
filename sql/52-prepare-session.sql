-- Files that clients send: sessions, their files in parts, and who may send (SPEC 2.6).

CREATE TABLE syncup.sender (
	connector text NOT NULL,
	role name NOT NULL,
	PRIMARY KEY (connector, role)
);
COMMENT ON TABLE syncup.sender IS 'Who may send files for a connector and prepare them, and nothing else. Written by syncup_grant_sender() and syncup_revoke_sender().';
COMMENT ON COLUMN syncup.sender.role IS 'it and its members';
SELECT pg_catalog.pg_extension_config_dump('syncup.sender', '');

CREATE TABLE syncup.upload_session (
	session uuid PRIMARY KEY DEFAULT pg_catalog.gen_random_uuid(),
	connector text NOT NULL,
	opened_by name NOT NULL,
	opened_at timestamptz NOT NULL DEFAULT clock_timestamp(),
	batch uuid
);
CREATE INDEX upload_session_of_connector ON syncup.upload_session (connector);
CREATE INDEX upload_session_of_batch ON syncup.upload_session (batch) WHERE batch IS NOT NULL;
COMMENT ON TABLE syncup.upload_session IS 'One row per session in which a client sends files; look at the view syncup.session.';
COMMENT ON COLUMN syncup.upload_session.batch IS 'what its prepare gave; null: it was not prepared';
-- What a dump does not hold cannot be prepared: of open sessions it holds nothing.
SELECT pg_catalog.pg_extension_config_dump('syncup.upload_session', 'WHERE batch IS NOT NULL');

CREATE TABLE syncup.upload_file (
	session uuid NOT NULL,
	file text COLLATE "C" NOT NULL,
	parts int,
	bytes bigint NOT NULL DEFAULT 0,
	sent_at timestamptz NOT NULL,
	PRIMARY KEY (session, file)
);
COMMENT ON TABLE syncup.upload_file IS 'The files of each session.';
COMMENT ON COLUMN syncup.upload_file.parts IS 'how many there will be; null: it was not said';
COMMENT ON COLUMN syncup.upload_file.sent_at IS 'when the last part came';
SELECT pg_catalog.pg_extension_config_dump('syncup.upload_file',
	'WHERE session IN (SELECT session FROM syncup.upload_session WHERE batch IS NOT NULL)');

CREATE TABLE syncup.upload_part (
	session uuid NOT NULL,
	file text COLLATE "C" NOT NULL,
	part int NOT NULL,
	content bytea NOT NULL,
	PRIMARY KEY (session, file, part)
);
-- Most of it is compressed by the client; and pieces of it are read.
ALTER TABLE syncup.upload_part ALTER content SET STORAGE EXTERNAL;
COMMENT ON TABLE syncup.upload_part IS 'What the files hold, until the batch of the session is applied, discarded or cancelled. Dumps leave it out.';

CREATE VIEW syncup.session AS
SELECT s.session, s.connector, s.opened_by, s.opened_at, f.files, f.bytes, f.sent_at, s.batch, b.mode, coalesce(b.status, 'open') AS status
FROM syncup.upload_session s
LEFT JOIN syncup.batch b USING (batch)
CROSS JOIN LATERAL (
	SELECT coalesce(array_agg(u.file ORDER BY u.file), '{}'), coalesce(sum(u.bytes), 0)::bigint, max(u.sent_at)
	FROM syncup.upload_file u
	WHERE u.session = s.session
) AS f (files, bytes, sent_at)
WHERE has_table_privilege('syncup.batch', 'SELECT')
	OR EXISTS (SELECT FROM pg_catalog.pg_roles r WHERE r.rolname = s.opened_by AND pg_has_role(r.oid, 'USAGE'));
COMMENT ON VIEW syncup.session IS 'Sessions in which clients send files: of the current role and those that it is a member of; all, for those who may read syncup.batch.';
COMMENT ON COLUMN syncup.session.sent_at IS 'when the last part came';
COMMENT ON COLUMN syncup.session.status IS 'what became of its batch; open: it was not prepared';

-- ---------- who may ----------

CREATE FUNCTION syncup.may_operate(caller regrole)
RETURNS boolean
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT has_function_privilege(caller, '@extschema@.syncup_synchronize(text, boolean, boolean, text)', 'EXECUTE')
		OR has_function_privilege(caller, '@extschema@.syncup_run(text, text, boolean, boolean)', 'EXECUTE')
$$;
COMMENT ON FUNCTION syncup.may_operate(regrole) IS
'Whether a role may synchronize: who may not, but may call syncup_prepare(), only sends, and prepares nothing but what was sent.';

CREATE FUNCTION syncup.check_may_send(caller regrole, connector text)
RETURNS void
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF NOT syncup.may_operate(caller) AND NOT EXISTS (
		SELECT FROM syncup.sender s JOIN pg_roles r ON r.rolname = s.role
		WHERE s.connector = check_may_send.connector AND pg_has_role(caller, r.oid, 'USAGE'))
	THEN
		RAISE 'permission denied to send files for connector "%"', connector
			USING ERRCODE = 'insufficient_privilege', HINT = 'syncup_grant_sender() allows it.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_may_send(regrole, text) IS
'Errors with 42501 unless a role may send files for a connector.';

CREATE FUNCTION syncup.check_connector(connector text)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	IF connector IS NULL THEN
		RAISE 'argument "connector" must not be null' USING ERRCODE = 'null_value_not_allowed';
	END IF;
	PERFORM FROM syncup.connector c WHERE c.connector = check_connector.connector FOR KEY SHARE;
	IF NOT FOUND THEN
		RAISE 'connector "%" does not exist', connector
			USING ERRCODE = 'undefined_object', HINT = syncup.connectors_hint(check_connector.connector);
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.check_connector(text) IS
'Keeps a connector from being dropped until the transaction ends; errors with 42704 if there is none of that name.';

CREATE FUNCTION syncup.grant_sender(caller regrole, connector text, role name)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM syncup.check_connector(connector);
	IF NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = role) THEN
		RAISE 'role "%" does not exist', role USING ERRCODE = 'undefined_object';
	END IF;
	INSERT INTO syncup.sender VALUES (connector, role) ON CONFLICT DO NOTHING;
END
$$;
COMMENT ON FUNCTION syncup.grant_sender(regrole, text, name) IS
'What syncup_grant_sender() does.';

CREATE FUNCTION syncup_grant_sender(connector text, role name)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_grant_sender(text, name) IS
'Lets a role, and its members, send files for a connector and prepare them.';

CREATE FUNCTION syncup.revoke_sender(caller regrole, connector text, role name)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM syncup.check_connector(connector);
	DELETE FROM syncup.sender s WHERE s.connector = revoke_sender.connector AND s.role = revoke_sender.role;
	IF NOT FOUND THEN
		RAISE 'role "%" is no sender of connector "%"', role, connector
			USING ERRCODE = 'undefined_object', HINT = (SELECT coalesce('Its senders are ' || string_agg(format('"%s"', s.role), ', ' ORDER BY s.role) || '.', 'It has none.')
				FROM syncup.sender s WHERE s.connector = revoke_sender.connector);
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.revoke_sender(regrole, text, name) IS
'What syncup_revoke_sender() does.';

CREATE FUNCTION syncup_revoke_sender(connector text, role name)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_revoke_sender(text, name) IS
'Ends that a role may send files for a connector, also in sessions that are open.';

-- ---------- sending ----------

CREATE FUNCTION syncup.open_session(caller regrole, connector text)
RETURNS uuid
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	opened uuid;
BEGIN
	PERFORM syncup.check_may_send(caller, connector);
	PERFORM syncup.check_connector(connector);
	IF NOT (SELECT c.active FROM syncup.connector c WHERE c.connector = open_session.connector) THEN
		RAISE 'connector "%" is deactivated', connector
			USING ERRCODE = 'object_not_in_prerequisite_state', HINT = format('Call syncup_activate(%L) to let it run again.', connector);
	END IF;
	INSERT INTO syncup.upload_session (connector, opened_by)
	SELECT open_session.connector, r.rolname FROM pg_roles r WHERE r.oid = caller
	RETURNING session INTO opened;
	RETURN opened;
END
$$;
COMMENT ON FUNCTION syncup.open_session(regrole, text) IS
'What syncup_open_session() does.';

CREATE FUNCTION syncup_open_session(connector text)
RETURNS uuid
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_open_session(text) IS
'Opens a session in which a client sends the files of a connector: syncup_upload(), then syncup_prepare() with option "session".';

CREATE FUNCTION syncup.own_session(caller regrole, session uuid)
RETURNS syncup.upload_session
LANGUAGE plpgsql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	owned syncup.upload_session;
BEGIN
	SELECT s.* INTO owned FROM syncup.upload_session s WHERE s.session = own_session.session;
	IF owned.session IS NULL THEN
		RAISE 'session % does not exist', session
			USING ERRCODE = 'undefined_object', HINT = 'A session goes with its connector, and old ones are purged: open another one with syncup_open_session().';
	END IF;
	IF NOT syncup.may_operate(caller) AND NOT EXISTS (SELECT FROM pg_roles r WHERE r.rolname = owned.opened_by AND pg_has_role(caller, r.oid, 'USAGE')) THEN
		RAISE 'session % was opened by another role', session USING ERRCODE = 'insufficient_privilege';
	END IF;
	PERFORM syncup.check_may_send(caller, owned.connector);
	RETURN owned;
END
$$;
COMMENT ON FUNCTION syncup.own_session(regrole, uuid) IS
'A session, or an error unless the role may send files in it.';

CREATE FUNCTION syncup.begin_upload(caller regrole, session uuid, file text, parts int)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	gave uuid;
	announced int;
BEGIN
	IF session IS NULL OR file IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN session IS NULL THEN 'session' ELSE 'file' END
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF octet_length(file) NOT BETWEEN 1 AND 1024 THEN
		RAISE 'the name of a file has between 1 and 1024 bytes, not %', octet_length(file)
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
	PERFORM syncup.own_session(caller, session);
	-- held until the part is there, of which a prepare or a drop that come meanwhile would not know
	BEGIN
		SELECT s.batch INTO STRICT gave
		FROM syncup.upload_session s JOIN syncup.connector c USING (connector)
		WHERE s.session = begin_upload.session FOR KEY SHARE NOWAIT;
	EXCEPTION WHEN lock_not_available OR no_data_found THEN
		RAISE 'session % is busy: it is being prepared, or dropped', session
			USING ERRCODE = 'lock_not_available';
	END;
	IF gave IS NOT NULL THEN
		RAISE 'session % was prepared already', session
			USING ERRCODE = 'object_not_in_prerequisite_state', DETAIL = format('It gave batch %s.', gave),
			HINT = 'Open another session with syncup_open_session().';
	END IF;
	INSERT INTO syncup.upload_file AS u (session, file, parts, sent_at)
	VALUES (session, file, parts, clock_timestamp())
	ON CONFLICT ON CONSTRAINT upload_file_pkey DO UPDATE SET parts = coalesce(u.parts, excluded.parts), sent_at = excluded.sent_at
	RETURNING u.parts INTO announced;
	IF announced <> parts THEN
		RAISE 'file "%" of session % has % parts, as was said before, not %', file, session, announced, parts
			USING ERRCODE = 'invalid_parameter_value', HINT = 'Send another file in another session.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.begin_upload(regrole, uuid, text, int) IS
'Sees that the role may send a file of so many parts (null: that is not said) in a session, and locks both.';

CREATE FUNCTION syncup.store_part(session uuid, file text, part int, content bytea)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	replaced bigint;
	held numeric;
	allowed bigint := pg_size_bytes(current_setting('syncup.max_session_size'));
BEGIN
	DELETE FROM syncup.upload_part p
	WHERE p.session = store_part.session AND p.file = store_part.file AND p.part = store_part.part
	RETURNING octet_length(p.content) INTO replaced;
	INSERT INTO syncup.upload_part VALUES (session, file, part, content);
	UPDATE syncup.upload_file u SET bytes = u.bytes + octet_length(content) - coalesce(replaced, 0)
	WHERE u.session = store_part.session AND u.file = store_part.file;
	SELECT sum(u.bytes) INTO held FROM syncup.upload_file u WHERE u.session = store_part.session;
	IF held > allowed THEN
		RAISE 'session % would hold % bytes, more than the % that "syncup.max_session_size" allows', session, held, allowed
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Send files compressed, or have the setting raised.';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.store_part(uuid, text, int, bytea) IS
'Stores a part of a file that syncup.begin_upload() has locked, in place of what it held.';

CREATE FUNCTION syncup.upload(caller regrole, session uuid, file text, part int, content bytea, parts int)
RETURNS void
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
DECLARE
	largest CONSTANT int := 64 * 1024 * 1024;
	further int;
BEGIN
	IF part IS NULL OR content IS NULL THEN
		RAISE 'argument "%" must not be null', CASE WHEN part IS NULL THEN 'part' ELSE 'content' END
			USING ERRCODE = 'null_value_not_allowed';
	END IF;
	IF part < 1 OR parts < 1 THEN
		RAISE 'parts are numbered from 1' USING ERRCODE = 'invalid_parameter_value';
	END IF;
	-- each is held in memory several times
	IF octet_length(content) > largest THEN
		RAISE 'part % of file "%" has % bytes, more than %', part, file, octet_length(content), largest
			USING ERRCODE = 'program_limit_exceeded', HINT = 'Send the file in more parts, of 1 MB for instance.';
	END IF;
	PERFORM syncup.begin_upload(caller, session, file, parts);
	PERFORM syncup.store_part(session, file, part, content);
	SELECT max(p.part) INTO further FROM syncup.upload_part p
	WHERE p.session = upload.session AND p.file = upload.file
		AND p.part > (SELECT u.parts FROM syncup.upload_file u WHERE u.session = upload.session AND u.file = upload.file);
	IF further IS NOT NULL THEN
		RAISE 'part % of file "%" is one too many: it has % parts', further, file,
			(SELECT u.parts FROM syncup.upload_file u WHERE u.session = upload.session AND u.file = upload.file)
			USING ERRCODE = 'invalid_parameter_value';
	END IF;
END
$$;
COMMENT ON FUNCTION syncup.upload(regrole, uuid, text, int, bytea, int) IS
'What syncup_upload() does.';

CREATE FUNCTION syncup_upload(session uuid, file text, part int, content bytea, parts int DEFAULT NULL)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_for_caller' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_upload(uuid, text, int, bytea, int) IS
'Sends a part of a file, numbered from 1, in any order; the same part again replaces it. parts: how many there are, so that a missing last one is seen, too.';

CREATE FUNCTION syncup_upload(session uuid, file text, large_object oid)
RETURNS void
AS 'MODULE_PATHNAME', 'syncup_upload_large_object' LANGUAGE C VOLATILE PARALLEL UNSAFE
SET search_path = pg_catalog, pg_temp;
COMMENT ON FUNCTION syncup_upload(uuid, text, oid) IS
'Sends a whole file that a large object holds, as psql''s \lo_import brings it; the large object stays.';

-- COPY is the one way in which psql sends bytes that are neither text of a statement
-- nor stored twice.
CREATE VIEW syncup.upload AS
SELECT NULL::uuid AS session, NULL::text AS file, NULL::int AS part, NULL::int AS parts, NULL::bytea AS content
WHERE false;
COMMENT ON VIEW syncup.upload IS 'For COPY: a row written to it is a call of syncup_upload(). It holds nothing.';

CREATE FUNCTION syncup.upload_row()
RETURNS trigger
LANGUAGE plpgsql VOLATILE
SET search_path = pg_catalog, pg_temp
AS $$
BEGIN
	PERFORM @extschema@.syncup_upload(NEW.session, NEW.file, NEW.part, NEW.content, NEW.parts);
	RETURN NEW;
END
$$;
COMMENT ON FUNCTION syncup.upload_row() IS
'Sends a part that is written to the view syncup.upload, with the rights of whoever writes it.';
CREATE TRIGGER upload INSTEAD OF INSERT ON syncup.upload
FOR EACH ROW EXECUTE FUNCTION syncup.upload_row();

CREATE FUNCTION syncup.missing_parts(session uuid, file text)
RETURNS text
LANGUAGE sql STABLE
SET search_path = pg_catalog, pg_temp
AS $$
	SELECT string_agg(CASE WHEN g.first < g.last THEN format('%s to %s', g.first, g.last) ELSE g.first::text END, ', ' ORDER BY g.first)
	FROM (
		SELECT lag(p.part, 1, 0) OVER (ORDER BY p.part) + 1 AS first, p.part - 1 AS last
		FROM (
			SELECT p.part::bigint FROM syncup.upload_part p
			WHERE p.session = missing_parts.session AND p.file = missing_parts.file
			UNION ALL
			SELECT u.parts + 1::bigint FROM syncup.upload_file u
			WHERE u.session = missing_parts.session AND u.file = missing_parts.file
		) AS p
		WHERE p.part IS NOT NULL
	) AS g
	WHERE g.first <= g.last
$$;
COMMENT ON FUNCTION syncup.missing_parts(uuid, text) IS
'The parts of a file that did not come; null: none.';
