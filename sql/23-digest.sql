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
