-- The role model: what rules wish, what is, and what follows (AFTER 4).

CREATE TABLE syncup.assignment (
	assignment bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
	resource_type text,
	owner_key text,
	account_key text,
	kind text NOT NULL CHECK (kind IN ('account', 'scalar', 'navigation', 'role')),
	property text,
	expected text,
	current text,
	provisioning_state text NOT NULL CHECK (provisioning_state IN ('none', 'pending', 'transmitted', 'errored', 'verified',
		'awaiting approval', 'inactive', 'rule error', 'executed')),
	workflow_state text CHECK (workflow_state IN ('non-conforming', 'approved', 'declined')),
	origin text NOT NULL CHECK (origin IN ('rule', 'granted', 'found')),
	rule text,
	since timestamptz NOT NULL DEFAULT now(),
	approved_by name,
	approved_at timestamptz,
	comment text,
	message text,
	verified_at timestamptz,
	verified_expected text
);
CREATE INDEX assignment_owner ON syncup.assignment (resource_type, owner_key);
CREATE INDEX assignment_state ON syncup.assignment (provisioning_state, resource_type) WHERE provisioning_state <> 'verified' OR workflow_state IS NOT NULL;
COMMENT ON TABLE syncup.assignment IS 'Who has, and should have, which account with which values, links and roles, and why. Written by syncup_compute_role_model(), by decisions of people, and by what executes orders.';
COMMENT ON COLUMN syncup.assignment.resource_type IS 'null: of a role';
COMMENT ON COLUMN syncup.assignment.account_key IS 'null: the account is to be created';
COMMENT ON COLUMN syncup.assignment.property IS 'of a scalar the column, of a navigation the association, of a role its name';
COMMENT ON COLUMN syncup.assignment.expected IS 'what rules wish: of an account its owner, of a navigation the key of the other side; null: that it is not';
COMMENT ON COLUMN syncup.assignment.current IS 'what was read: of an account its key';
COMMENT ON COLUMN syncup.assignment.since IS 'since when this is wished, or found';
COMMENT ON COLUMN syncup.assignment.approved_by IS 'the person who approved, or declined';
COMMENT ON COLUMN syncup.assignment.verified_at IS 'when what rules wished was found last; null: never';
COMMENT ON COLUMN syncup.assignment.verified_expected IS 'what rules wished then';
SELECT pg_catalog.pg_extension_config_dump('syncup.assignment', '');
SELECT pg_catalog.pg_extension_config_dump('syncup.assignment_assignment_seq', '');
