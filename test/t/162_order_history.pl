# Random histories of wishes, orders, what carries them out, crashes, late reports and
# decisions, against a system of its own that notes what it was told. What is told is what
# is wished at that moment; nothing is done twice by what is not idempotent; what is said to
# be executed was done, as it is wished now; what an order is known to have made is taken
# back when nobody wishes it; and in the end the system is as rules wish.
# SEED=n plays a history again, ROUNDS=n a longer one.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // time ^ $$;
my $rounds = $ENV{ROUNDS} // 120;
diag("SEED=$seed");
srand($seed);
sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

my $node = PostgreSQL::Test::Cluster->new('orders');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;

my $setup = <<'SQL';
CREATE EXTENSION syncup;
CREATE TABLE person (id int PRIMARY KEY, a text, b text, gone boolean NOT NULL DEFAULT false, plain boolean NOT NULL DEFAULT false);
INSERT INTO person SELECT n, 'a', 'b' FROM generate_series(1, 4) n;
CREATE TABLE account (id int PRIMARY KEY, a text, b text);    -- as it was read
CREATE TABLE system (id int PRIMARY KEY, a text, b text);     -- as it is
CREATE TABLE done (order_id uuid, idempotent boolean);
CREATE TABLE handed (order_id uuid PRIMARY KEY);
CREATE TABLE refuses (yes boolean);
INSERT INTO refuses VALUES (true);
CREATE TABLE wrong (step int, what text);
CREATE SEQUENCE step;

-- of whom no order was done that is not known to be
CREATE VIEW known AS SELECT p.id::text AS owner_key FROM person p WHERE NOT EXISTS (SELECT FROM done d JOIN syncup.provisioning_order o USING (order_id) WHERE o.owner_key = p.id::text AND o.executed_at IS NULL);
-- whether an order says what is wished now
CREATE FUNCTION is_wished(d jsonb) RETURNS boolean LANGUAGE sql SET search_path = public AS $$
	SELECT CASE WHEN d ->> 'ChangeType' = 'Deleted' THEN EXISTS (SELECT FROM syncup.assignment x WHERE x.kind = 'account' AND x.account_key = d #>> '{Resource,id}' AND x.expected IS NULL)
		ELSE (SELECT coalesce(bool_and((SELECT x.expected FROM syncup.assignment x WHERE x.owner_key = d #>> '{Owner,id}' AND x.property = c.key) IS NOT DISTINCT FROM c.value), true)
				FROM jsonb_each_text(d -> 'Changes') c)
			AND EXISTS (SELECT FROM syncup.assignment x WHERE x.kind = 'account' AND x.owner_key = d #>> '{Owner,id}' AND x.expected IS NOT NULL AND (x.account_key IS NULL) = (d ->> 'ChangeType' = 'Added')) END
$$;
CREATE FUNCTION carry_out(d jsonb) RETURNS text LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
	v system := jsonb_populate_record((SELECT s FROM system s WHERE s.id = (d #>> '{Resource,id}')::int), d -> 'Changes');
BEGIN
	IF (SELECT r.yes FROM refuses r) AND random() < 0.2 THEN
		RETURN 'refused';
	END IF;
	IF d ->> 'ChangeType' = 'Added' THEN
		INSERT INTO system SELECT v.* ON CONFLICT DO NOTHING;
	ELSIF d ->> 'ChangeType' = 'Modified' THEN
		UPDATE system s SET a = v.a, b = v.b WHERE s.id = v.id;
	ELSE
		DELETE FROM system s WHERE s.id = (d #>> '{Resource,id}')::int;
	END IF;
	IF NOT FOUND THEN
		RETURN 'not possible';
	END IF;
	INSERT INTO done SELECT (d ->> 'OrderId')::uuid, coalesce((t.options #>> '{fulfill,idempotent}')::boolean, false) FROM syncup.resource_type t;
	RETURN NULL;
END $$;
CREATE FUNCTION tell(d jsonb) RETURNS text LANGUAGE plpgsql SET search_path = public AS $$
BEGIN
	IF NOT is_wished(d) THEN
		INSERT INTO wrong VALUES (currval('step'), format('told and not wished: %s', d));
	END IF;
	IF d ->> 'ChangeType' <> 'Deleted' AND EXISTS (SELECT FROM syncup.resource_type t, syncup.provisioning_order o JOIN syncup.provisioning_order u ON u.assignments && o.assignments AND u.seq < o.seq
		WHERE o.order_id = (d ->> 'OrderId')::uuid AND u.state = 'unknown' AND NOT coalesce((t.options #>> '{fulfill,idempotent}')::boolean, false)) THEN
		INSERT INTO wrong VALUES (currval('step'), format('told while nobody knows what became of the order before: %s', d));
	END IF;
	RETURN carry_out(d);
END $$;
SELECT syncup_create_resource_type('T', 'person', 'account', '{"review": false, "limits": {"max_percentage_inserted_lines": 0, "max_percentage_updated_lines": 0, "max_percentage_deleted_lines": 0}}');
SELECT syncup_define_correlation('T', 'o.id::text', 'a.id::text'), syncup_define_type_rule('T', 'NOT o.gone'), syncup_define_scalar_rule('T', 'id', 'o.id'),
	syncup_define_scalar_rule('T', 'a', 'o.a'), syncup_define_scalar_rule('T', 'b', 'o.b', '{"condition": "NOT o.plain"}');
SELECT nextval('step');
SQL

# What can happen. A person, an order, an assignment at random: ids are of the history, not of the clock.
sub person { return 1 + int rand 4 }
sub any_order { my ($where) = @_; return "(SELECT o.order_id FROM syncup.provisioning_order o WHERE $where ORDER BY o.seq OFFSET " . int(rand 3) . " LIMIT 1)" }
my $crash = q(UPDATE syncup.provisioning_order SET executor = '1 1 gone' WHERE state = 'transmitted' AND executor IS NOT NULL);
my $truth = q(CASE WHEN NOT EXISTS (SELECT FROM done d WHERE d.order_id = o.order_id) THEN 'it was not' END);
my %can = (
	wish => sub { return sprintf q(UPDATE person SET %s = '%s' WHERE id = %d), pick('a', 'b'), pick('p' .. 's'), person() },
	plain => sub { return 'UPDATE person SET plain = NOT plain WHERE id = ' . person() },
	come_or_go => sub { return 'UPDATE person SET gone = NOT gone WHERE id = ' . person() },
	model => sub { return 'SELECT * FROM syncup_compute_correlation_keys(); SELECT * FROM syncup_compute_role_model()' },
	order => sub { return 'SELECT * FROM syncup_generate_provisioning_orders()' },
	fulfill => sub { return 'CALL syncup_fulfill()' },
	slice => sub { return q(SELECT * FROM syncup_fulfill_slice(NULL, 'a')) },
	crash => sub { return "SELECT * FROM syncup_fulfill_slice(NULL, 'b'); " . (chance(0.5) ? q(SELECT carry_out(o.document) FROM syncup.provisioning_order o WHERE o.state = 'transmitted' AND o.executor ~ ' b$'; ) : '') . $crash },
	again => sub { return q(UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored' AND next_attempt IS NOT NULL) },
	read_back => sub { return 'DELETE FROM account; INSERT INTO account SELECT * FROM system' },
	agent => sub { my $o = any_order("o.state = 'transmitted' AND o.executor IS NULL AND NOT EXISTS (SELECT FROM done d WHERE d.order_id = o.order_id)");
		my $done = "SELECT o.order_id, carry_out(o.document) AS error FROM syncup.provisioning_order o WHERE o.order_id = $o";
		return chance(0.7) ? "SELECT syncup_report_order(x.order_id, x.error) FROM ($done OFFSET 0) x" : $done },
	report => sub { return "SELECT syncup_report_order(o.order_id, $truth) FROM syncup.provisioning_order o WHERE o.order_id = " . any_order(q(o.state IN ('unknown', 'errored', 'executed', 'transmitted') AND o.executor IS NULL)) },
	approve => sub { return q(SELECT syncup_approve(ARRAY(SELECT assignment FROM syncup.assignment WHERE provisioning_state = 'errored' OR workflow_state = 'declined'))) },
	decline => sub { return q(SELECT syncup_decline(ARRAY(SELECT assignment FROM syncup.assignment WHERE provisioning_state IN ('pending', 'errored') AND property IN ('a', 'b') ORDER BY assignment LIMIT 1))) },
	# made by an order of which nobody knows that, and read when nobody wishes it any more: a person says so
	wrong => sub { return q(SELECT syncup_decline(ARRAY(SELECT assignment FROM syncup.assignment WHERE workflow_state = 'non-conforming'))) },
);
my @often = (('wish') x 4, 'plain', 'come_or_go', ('model') x 5, ('order') x 4, ('fulfill') x 3, ('slice') x 2, 'crash', 'again', ('read_back') x 2, ('agent') x 3, ('report') x 2, 'approve', 'decline');

# After each step.
my $check = <<'SQL';
INSERT INTO wrong SELECT currval('step'), format('handed over and not wished: %s', o.document) FROM syncup.provisioning_order o
WHERE o.state = 'transmitted' AND o.executor IS NULL AND NOT is_wished(o.document) AND NOT EXISTS (SELECT FROM handed h WHERE h.order_id = o.order_id);
INSERT INTO handed SELECT o.order_id FROM syncup.provisioning_order o WHERE o.state = 'transmitted' AND o.executor IS NULL ON CONFLICT DO NOTHING;
INSERT INTO wrong SELECT currval('step'), format('executed and not so: %s of %s', x.property, x.owner_key) FROM syncup.assignment x
LEFT JOIN system s ON s.id = x.owner_key::int WHERE x.kind = 'scalar' AND x.provisioning_state = 'executed' AND to_jsonb(s) ->> x.property IS DISTINCT FROM coalesce(x.expected, x.written);
INSERT INTO wrong SELECT currval('step'), format('not as it was written: %s of %s', x.property, x.owner_key) FROM syncup.assignment x JOIN known USING (owner_key)
LEFT JOIN system s ON s.id = x.owner_key::int WHERE x.kind <> 'navigation' AND x.written_at IS NOT NULL AND CASE x.kind WHEN 'account' THEN s.id::text ELSE to_jsonb(s) ->> x.property END IS DISTINCT FROM x.written;
INSERT INTO wrong SELECT currval('step'), 'done twice: ' || d.order_id FROM done d WHERE NOT d.idempotent GROUP BY d.order_id HAVING count(*) > 1;
INSERT INTO wrong SELECT currval('step'), 'verified and never done: ' || o.order_id FROM syncup.provisioning_order o WHERE o.state = 'verified'
	-- or another order of the same person had done so
	AND NOT EXISTS (SELECT FROM done d JOIN syncup.provisioning_order p USING (order_id) WHERE p.owner_key = o.owner_key);
INSERT INTO wrong SELECT currval('step'), 'made by an order, and only shown: ' || x.account_key FROM syncup.assignment x
CROSS JOIN LATERAL (SELECT p.* FROM syncup.provisioning_order p WHERE p.owner_key = x.owner_key AND p.order_id IN (SELECT d.order_id FROM done d) ORDER BY p.seq DESC LIMIT 1) p
WHERE x.kind = 'account' AND x.workflow_state = 'non-conforming' AND p.change_type = 'Added' AND p.executed_at < x.since;
SELECT nextval('step');
SQL
# After each run of the role model.
my $check_model = <<'SQL';
INSERT INTO wrong SELECT currval('step'), format('shown as somebody''s doing: %s %s of %s', x.kind, x.property, x.owner_key) FROM syncup.assignment x JOIN known USING (owner_key)
WHERE x.workflow_state = 'non-conforming' OR x.provisioning_state = 'awaiting approval';
SQL

my @kinds = ('{"kind": "sql", "function": "public.tell", "retry_delay": "0"}', '{"kind": "sql", "function": "public.tell", "retry_delay": "0", "idempotent": true}', '{"kind": "manual"}');
for my $n (1 .. 3)
{
	my $kind = $kinds[ $n - 1 ];
	$node->safe_psql('postgres', "CREATE DATABASE h$n");
	my @steps = map { pick(@often) } 1 .. $rounds;
	my @history = map { $can{$_}->() } @steps;
	my $end = join ";\n", q(UPDATE refuses SET yes = false),
		(map { map { $can{$_} ? $can{$_}->() : $_ } ($crash, "SELECT syncup_report_order(o.order_id, $truth) FROM syncup.provisioning_order o WHERE o.state = 'unknown'", qw(approve again read_back model wrong order fulfill),
			"SELECT syncup_report_order(x.order_id, x.error) FROM (SELECT o.order_id, carry_out(o.document) AS error FROM syncup.provisioning_order o WHERE o.state = 'transmitted' AND NOT EXISTS (SELECT FROM done d WHERE d.order_id = o.order_id) OFFSET 0) x",
			"SELECT syncup_report_order(o.order_id) FROM syncup.provisioning_order o WHERE o.state = 'transmitted' AND EXISTS (SELECT FROM done d WHERE d.order_id = o.order_id)") } 1 .. 6), 'SELECT 1';
	my $script = "SET client_min_messages = warning;\n$setup\nSELECT setseed(0.5);\nSELECT syncup_create_resource_type('T', 'person', 'account', jsonb_build_object('fulfill', '$kind'::jsonb));\n"
		. join('', map { "-- step " . ($_ + 1) . " $steps[$_]\n$history[$_];\n" . ($steps[$_] eq 'model' && $check_model) . $check } 0 .. $#history) . "$end;\n";
	my ($out, $err);
	$node->psql("h$n", $script, stdout => \$out, stderr => \$err);
	is($err, '', "history $n: no error");
	is($node->safe_psql("h$n", q(SELECT step, what FROM wrong ORDER BY step LIMIT 5)), '', "history $n: at each step, what is told, done and said is right");
	# (a value whose rule has ended may be nobody's: it was read as such, or its account had gone meanwhile)
	my $forgotten = '(SELECT p.id FROM person p WHERE p.plain)';
	is($node->safe_psql("h$n", "SELECT s.id, s.a, CASE WHEN s.id NOT IN $forgotten THEN s.b END FROM system s ORDER BY id"), $node->safe_psql("h$n", 'SELECT id, a, CASE WHEN NOT plain THEN b END FROM person WHERE NOT gone ORDER BY id'), "history $n: in the end the system is as rules wish");
	is($node->safe_psql("h$n", q(SELECT owner_key, property, expected, current, provisioning_state, message FROM syncup.assignment WHERE provisioning_state <> 'verified')), '', "history $n: and nothing waits");
}
$node->stop;
done_testing();
