-- What the digests kept beside the rows of previous are taken with.

CREATE TABLE syncup.digest_epoch (
	connector text NOT NULL,
	mapping text NOT NULL,
	epoch bigint NOT NULL,
	key bytea NOT NULL,
	PRIMARY KEY (connector, mapping),
	FOREIGN KEY (connector, mapping) REFERENCES syncup.mapping ON DELETE CASCADE
);
COMMENT ON TABLE syncup.digest_epoch IS 'Secret keys of digests, one per mapping. Grant nobody anything on it; it is not dumped: after a restore new ones are made.';
COMMENT ON COLUMN syncup.digest_epoch.epoch IS 'a random number that the digests taken with this key carry';
