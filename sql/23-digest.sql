-- What the digests kept beside the rows of previous are taken with.

CREATE TABLE syncup.digest_epoch (
	connector text NOT NULL,
	mapping text NOT NULL,
	epoch bigint NOT NULL,
	key bytea NOT NULL,
	PRIMARY KEY (connector, mapping)
);
-- Without a policy nobody but the owner sees a row, whatever is granted on the schema's tables.
ALTER TABLE syncup.digest_epoch ENABLE ROW LEVEL SECURITY;
COMMENT ON TABLE syncup.digest_epoch IS 'Secret keys of digests, one per mapping. Nobody but the owner sees its rows; it is not dumped: after a restore new ones are made.';
COMMENT ON COLUMN syncup.digest_epoch.epoch IS 'a random number that the digests taken with this key carry';

-- What rows of a target are compared with, without their number being limited by memory.

CREATE FUNCTION syncup.row_sums_add(internal, bytea, bigint, VARIADIC "any")
RETURNS internal
AS 'MODULE_PATHNAME', 'syncup_row_sums_add' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION syncup.row_sums_add(internal, bytea, bigint, "any") IS 'A step of syncup.row_sums(): another row.';

CREATE FUNCTION syncup.row_sums_combine(internal, internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'syncup_row_sums_combine' LANGUAGE C IMMUTABLE PARALLEL SAFE;
COMMENT ON FUNCTION syncup.row_sums_combine(internal, internal) IS 'A step of syncup.row_sums(): what another process has summed up.';

CREATE FUNCTION syncup.row_sums_bytes(internal)
RETURNS bytea
AS 'MODULE_PATHNAME', 'syncup_row_sums_bytes' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.row_sums_bytes(internal) IS 'A step of syncup.row_sums(): its result, also for another process.';

CREATE FUNCTION syncup.row_sums_from_bytes(bytea, internal)
RETURNS internal
AS 'MODULE_PATHNAME', 'syncup_row_sums_from_bytes' LANGUAGE C IMMUTABLE STRICT PARALLEL SAFE;
COMMENT ON FUNCTION syncup.row_sums_from_bytes(bytea, internal) IS 'A step of syncup.row_sums(): takes what row_sums_bytes() made in another process.';

CREATE AGGREGATE syncup.row_sums(key bytea, number bigint, VARIADIC "any") (
	SFUNC = syncup.row_sums_add, STYPE = internal,
	COMBINEFUNC = syncup.row_sums_combine,
	SERIALFUNC = syncup.row_sums_bytes, DESERIALFUNC = syncup.row_sums_from_bytes,
	FINALFUNC = syncup.row_sums_bytes,
	PARALLEL = SAFE);
COMMENT ON AGGREGATE syncup.row_sums(bytea, bigint, VARIADIC "any") IS
'Sums of the digests of rows, which are the same for the same rows in any order: key, 16 bytes, with which digests are taken; number of sums, a power of two; the values of a row in their binary form. Null without rows. A complete run compares targets by it.';
