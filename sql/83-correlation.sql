-- Correlation: whose account is this? (AFTER 3). Resource types, keys on both sides
-- that are to be equal, and what was decided.

CREATE TABLE syncup.resource_type (
	resource_type text PRIMARY KEY,
	owner regclass NOT NULL,
	account regclass NOT NULL,
	options jsonb NOT NULL DEFAULT '{}',
	role regrole NOT NULL,
	created_at timestamptz NOT NULL DEFAULT now()
);
COMMENT ON TABLE syncup.resource_type IS 'Rows of which table are accounts of rows of which. Written by syncup_create_resource_type() and its kin only.';
COMMENT ON COLUMN syncup.resource_type.owner IS 'the table of people, usually';
COMMENT ON COLUMN syncup.resource_type.account IS 'the table of accounts: usually the target of a mapping';
COMMENT ON COLUMN syncup.resource_type.role IS 'the role that defined it, whose rights it is read with';
SELECT pg_catalog.pg_extension_config_dump('syncup.resource_type', '');

CREATE TABLE syncup.correlation_key (
	rule text NOT NULL,
	side text NOT NULL CHECK (side IN ('owner', 'account')),
	key text NOT NULL,
	value text,
	message text,
	PRIMARY KEY (rule, side, key)
);
CREATE INDEX correlation_key_value ON syncup.correlation_key (rule, side, value) WHERE value IS NOT NULL;
COMMENT ON TABLE syncup.correlation_key IS 'What each correlation rule makes of each owner and account; equal values match. Kept up to date by syncup_compute_correlation_keys().';
COMMENT ON COLUMN syncup.correlation_key.key IS 'the key of the owner or account';
COMMENT ON COLUMN syncup.correlation_key.value IS 'null: the rule gives nothing, or an empty or blank text, which never match';
COMMENT ON COLUMN syncup.correlation_key.message IS 'the error that the rule raised for this row';
SELECT pg_catalog.pg_extension_config_dump('syncup.correlation_key', '');

CREATE TABLE syncup.ownership (
	resource_type text NOT NULL,
	account_key text NOT NULL,
	owner_key text,
	confidence int,
	rule text,
	state text NOT NULL CHECK (state IN ('correlated', 'suggested', 'ambiguous', 'decided', 'rejected')),
	candidates text[] NOT NULL DEFAULT '{}',
	rejected text[] NOT NULL DEFAULT '{}',
	since timestamptz NOT NULL DEFAULT now(),
	decided_by name,
	PRIMARY KEY (resource_type, account_key)
);
CREATE INDEX ownership_owner ON syncup.ownership (resource_type, owner_key);
COMMENT ON TABLE syncup.ownership IS 'Whose each account is. What is correlated or decided stands; what is suggested or ambiguous waits for a person.';
COMMENT ON COLUMN syncup.ownership.owner_key IS 'the key of its owner; of an account that is ambiguous, or decided to be nobody''s: null';
COMMENT ON COLUMN syncup.ownership.rule IS 'the correlation rule that matched';
COMMENT ON COLUMN syncup.ownership.candidates IS 'the owners that match, where a person is to choose';
COMMENT ON COLUMN syncup.ownership.rejected IS 'the owners that a person said it is not of: they are not suggested again';
COMMENT ON COLUMN syncup.ownership.decided_by IS 'the person who decided';
SELECT pg_catalog.pg_extension_config_dump('syncup.ownership', '');
