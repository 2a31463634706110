# Random histories of the whole: people who come, go, merge and swap their mail, accounts
# that strangers make, edit, rename and delete, rules that err, decisions of people, limits,
# orders that are refused or told when the session ends. Against what is noted beside: no
# account is deleted that no rule gave and no person decided on, or that is another one's
# by now; nobody's edit is fought over; nothing is told that is not wished, done twice, or
# ordered twice; one assignment for one thing; complete runs say no more than dirty ones.
# SEED=n plays another history, ROUNDS=n a longer one.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my @seeds = $ENV{SEED} // (402, 407, 411);
my $rounds = $ENV{ROUNDS} // 100;
sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }
sub literal { return defined $_[0] ? "'$_[0]'" : 'NULL' }
sub yes { return chance($_[0]) ? 'true' : 'false' }

my $node = PostgreSQL::Test::Cluster->new('governance');
$node->init;
$node->append_conf('postgresql.conf', "fsync = off\njit = off\n");
$node->start;

my $tables = <<'SQL';
CREATE EXTENSION syncup;
CREATE TABLE person (id int PRIMARY KEY, n text, mail text, dept text, k int, gone boolean NOT NULL DEFAULT false);
INSERT INTO person SELECT i, 'n' || i, 'm' || i, 'A', 1 FROM generate_series(1, 5) i;
-- as they were read, and as they are
CREATE TABLE account (id text PRIMARY KEY, mail text, login text, title text, boss text);
CREATE TABLE member (a text, g text, PRIMARY KEY (a, g));
CREATE TABLE mailbox (id text PRIMARY KEY, quota int);
CREATE TABLE its_account (LIKE account INCLUDING ALL);
CREATE TABLE its_member (LIKE member INCLUDING ALL);
CREATE TABLE its_mailbox (LIKE mailbox INCLUDING ALL);
CREATE TABLE grp (cn text PRIMARY KEY);
INSERT INTO grp VALUES ('all'), ('a'), ('b'), ('k');
-- what is noted
CREATE SEQUENCE step;
CREATE TABLE wrong (step int, what text);
CREATE TABLE done (order_id uuid, idempotent boolean);
CREATE TABLE given (resource_type text, account text, owner text, PRIMARY KEY (resource_type, account, owner));
CREATE TABLE decided (assignment bigint);
CREATE TABLE equalled (account text, p text, v text, step int, PRIMARY KEY (account, p));
CREATE TABLE wished (step int, account text, p text, v text);

CREATE FUNCTION carry_out(d jsonb) RETURNS text LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
	of_account boolean := d #>> '{ResourceType,Identifier}' = 'A';
	key text := d #>> '{Resource,id}';
	a its_account := jsonb_populate_record((SELECT s FROM its_account s WHERE s.id = key), (d -> 'Changes') - '{boss,member}'::text[]);
	m its_mailbox := jsonb_populate_record((SELECT s FROM its_mailbox s WHERE s.id = key), d -> 'Changes');
BEGIN
	IF random() < 0.15 THEN
		RETURN 'refused';
	ELSIF d ->> 'ChangeType' = 'Added' AND of_account THEN
		INSERT INTO its_account SELECT a.* ON CONFLICT DO NOTHING;
	ELSIF d ->> 'ChangeType' = 'Added' THEN
		INSERT INTO its_mailbox SELECT m.* ON CONFLICT DO NOTHING;
	ELSIF d ->> 'ChangeType' = 'Modified' AND of_account THEN
		UPDATE its_account s SET id = a.id, mail = a.mail, login = a.login, title = a.title WHERE s.id = key;
	ELSIF d ->> 'ChangeType' = 'Modified' THEN
		UPDATE its_mailbox s SET quota = m.quota WHERE s.id = key;
	ELSIF of_account THEN
		DELETE FROM its_account WHERE id = key;
	ELSE
		DELETE FROM its_mailbox WHERE id = key;
	END IF;
	IF NOT FOUND THEN
		RETURN 'not possible';
	END IF;
	IF of_account THEN
		UPDATE its_account SET boss = d #>> '{Changes,boss,Added,0,key}' WHERE id = a.id AND d -> 'Changes' ? 'boss';
		DELETE FROM its_member l WHERE l.a = key AND (d ->> 'ChangeType' = 'Deleted' OR l.g IN (SELECT e ->> 'key' FROM jsonb_array_elements(d #> '{Changes,member,Removed}') e));
		INSERT INTO its_member SELECT a.id, e ->> 'key' FROM jsonb_array_elements(d #> '{Changes,member,Added}') e ON CONFLICT DO NOTHING;
	END IF;
	INSERT INTO done SELECT (d ->> 'OrderId')::uuid, coalesce((t.options #>> '{fulfill,idempotent}')::boolean, false) FROM syncup.resource_type t WHERE t.resource_type = d #>> '{ResourceType,Identifier}';
	RETURN NULL;
END $$;

CREATE FUNCTION tell(d jsonb) RETURNS text LANGUAGE plpgsql SET search_path = public AS $$
DECLARE
	o syncup.provisioning_order := (SELECT x FROM syncup.provisioning_order x WHERE x.order_id = (d ->> 'OrderId')::uuid);
	is_decided boolean := EXISTS (SELECT FROM decided x WHERE x.assignment = ANY (o.assignments));
BEGIN
	INSERT INTO wrong SELECT currval('step'), 'told and not wished: ' || d::text
	FROM unnest(o.assignments, o.wishes) u (assignment, wish) LEFT JOIN syncup.assignment x USING (assignment)
	WHERE x.assignment IS NULL OR x.expected IS DISTINCT FROM u.wish OR x.account_key IS DISTINCT FROM o.account_key;
	INSERT INTO wrong SELECT currval('step'), 'deleted, and never given: ' || d::text
	WHERE o.change_type = 'Deleted' AND NOT is_decided
		AND NOT EXISTS (SELECT FROM given g WHERE g.resource_type = o.resource_type AND g.account = o.account_key AND g.owner = o.owner_key)
		AND NOT EXISTS (SELECT FROM syncup.provisioning_order p WHERE p.resource_type = o.resource_type AND p.owner_key = o.owner_key AND p.change_type = 'Added' AND p.executed_at IS NOT NULL);
	INSERT INTO wrong SELECT currval('step'), 'it is another one''s: ' || d::text
	FROM syncup.ownership w WHERE w.resource_type = o.resource_type AND w.account_key = o.account_key AND w.owner_key IS DISTINCT FROM o.owner_key AND w.present AND w.state IN ('correlated', 'decided');
	-- it was so, nothing else was wished since, nor told, and nobody has decided on it
	INSERT INTO wrong SELECT currval('step'), format('fought over %s: %s', c.key, d)
	FROM jsonb_each_text(d -> 'Changes') c JOIN equalled e ON e.account = o.account_key AND e.p = c.key AND e.v IS NOT DISTINCT FROM c.value
	WHERE o.resource_type = 'A' AND o.change_type = 'Modified' AND NOT is_decided
		AND NOT EXISTS (SELECT FROM wished w WHERE w.account = e.account AND w.p = e.p AND w.step >= e.step AND w.v IS DISTINCT FROM c.value)
		AND NOT EXISTS (SELECT FROM syncup.provisioning_order p WHERE p.resource_type = 'A' AND p.account_key = o.account_key AND p.transmitted_at IS NOT NULL AND p.document -> 'Changes' ? c.key AND p.document -> 'Changes' ->> c.key IS DISTINCT FROM c.value);
	RETURN carry_out(d);
END $$;

SELECT syncup_create_connector('D');
SELECT syncup_map_entity_type('D', 'account', 'account', NULL, 'id', '{"id": "id"}', options => '{"source": "account"}'), syncup_map_entity_type('D', 'grp', 'grp', NULL, 'cn', '{"cn": "cn"}', options => '{"source": "grp"}');
SELECT syncup_map_association('D', 'member', NULL, 'a', 'account.id', 'g', 'grp.cn', 'member', 'a', 'g', '{"source": "member"}'),
	syncup_map_association('D', 'boss', NULL, 'id', 'account.id', 'boss', 'account.id', 'account', target_column2 => 'boss', options => '{"source": "account"}');
SQL

my $rules = <<'SQL';
SELECT syncup_define_correlation('A', 'o.mail', 'a.mail'), syncup_define_correlation('A', 'o.n', 'a.login', 80), syncup_define_correlation('M', 'o.n', 'a.id');
SELECT syncup_define_role('boss', 'person', 'k > 3');
SELECT syncup_define_type_rule('A', 'NOT o.gone AND 10 / k > 0'), syncup_define_type_rule('M', 'NOT o.gone AND dept <> ''X''');
SELECT syncup_define_scalar_rule('A', 'id', '''a'' || o.id', '{"mapped": false}'), syncup_define_scalar_rule('A', 'mail', 'o.mail'), syncup_define_scalar_rule('A', 'login', 'o.n'),
	syncup_define_scalar_rule('A', 'title', '''T'' || 12 / (k - 2)', '{"condition": "dept <> ''C''"}'), syncup_define_scalar_rule('M', 'id', 'o.n', '{"mapped": false}'), syncup_define_scalar_rule('M', 'quota', 'o.k');
SELECT syncup_define_navigation_rule('A', 'member', '''all'''), syncup_define_navigation_rule('A', 'member', 'SELECT g.cn FROM public.grp g WHERE g.cn = lower(o.dept)'),
	syncup_define_navigation_rule('A', 'member', '''k''', role => 'boss'), syncup_define_navigation_rule('A', 'boss', '''a1''', 'k > 2');
SELECT setseed(0.5), nextval('step');
SQL

# What can happen; where people change they are flagged, and what is read is.
sub some { my ($from, $n) = @_; return "(SELECT $from ORDER BY 1 OFFSET " . int(rand $n) . ' LIMIT 1)' }
sub some_account { return some('id FROM its_account', 4) }
sub of_people { my ($sql, @ids) = @_; return join '; ', $sql, map { "SELECT syncup_flag('person', '$_')" } @ids }
sub person { return 1 + int rand 5 }
# A decision about an assignment, noted before. Some cannot be made, and say so.
sub decide
{
	my ($call, @where) = @_;
	my $which = 'FROM ' . some('assignment FROM syncup.assignment WHERE ' . pick(@where), 3) . ' AS x';
	return "INSERT INTO decided SELECT assignment $which; DO \$\$ BEGIN PERFORM $call(ARRAY(SELECT assignment $which)); EXCEPTION WHEN OTHERS THEN NULL; END \$\$";
}
my $gone = q(UPDATE syncup.provisioning_order SET executor = '1 1 gone' WHERE state = 'transmitted' AND executor IS NOT NULL);
my $read = join '; ', 'CREATE TEMPORARY TABLE news AS SELECT coalesce(a.id, s.id) AS id FROM account a FULL JOIN its_account s USING (id) WHERE a IS DISTINCT FROM s UNION SELECT coalesce(l.a, s.a) FROM member l FULL JOIN its_member s USING (a, g) WHERE l.a IS NULL OR s.a IS NULL',
	(map { "DELETE FROM $_; INSERT INTO $_ SELECT * FROM its_$_" } qw(account member)), q(SELECT syncup_flag('account', id) FROM news; DROP TABLE news),
	'CREATE TEMPORARY TABLE news AS SELECT coalesce(a.id, s.id) AS id FROM mailbox a FULL JOIN its_mailbox s USING (id) WHERE a IS DISTINCT FROM s', 'DELETE FROM mailbox; INSERT INTO mailbox SELECT * FROM its_mailbox', q(SELECT syncup_flag('mailbox', id) FROM news; DROP TABLE news);
my %can = (
	wish => sub { my $p = person(); my ($c, $v) = @{ pick([ n => pick(("n$p") x 2, 'n1', 'nx', undef, ' ') ], [ mail => pick(("m$p") x 2, 'm1' .. 'm3', undef, '') ], [ dept => pick('A' .. 'C', 'X', undef) ], [ k => pick(0 .. 4, undef) ]) };
		return of_people("UPDATE person SET $c = " . literal($v) . " WHERE id = $p", $p) },
	swap => sub { my ($p, $q) = (person(), person()); return of_people("UPDATE person x SET mail = y.mail FROM person y WHERE (x.id, y.id) IN (($p, $q), ($q, $p))", $p, $q) },
	come_or_go => sub { my $p = person(); return of_people("UPDATE person SET gone = NOT gone WHERE id = $p", $p) },
	merge => sub { my $p = person(); return of_people("DELETE FROM person WHERE id = $p", $p) },
	split => sub { my $p = person(); return of_people("INSERT INTO person VALUES ($p, 'n$p', 'm$p', 'A', 1) ON CONFLICT DO NOTHING", $p) },
	model => sub { my $dirty = yes(0.6); return "SELECT FROM syncup_compute_correlation_keys(NULL, $dirty); SELECT FROM syncup_compute_role_model(NULL, $dirty)" },
	order => sub { return 'SELECT FROM syncup_generate_provisioning_orders(NULL, ' . yes(0.1) . ')' },
	fulfill => sub { return 'CALL syncup_fulfill()' },
	slice => sub { return q(SELECT FROM syncup_fulfill_slice(NULL, 'a')) },
	crash => sub { return q(SELECT FROM syncup_fulfill_slice(NULL, 'b'); ) . (chance(0.5) ? q(SELECT carry_out(o.document) FROM syncup.provisioning_order o WHERE o.state = 'transmitted' AND o.executor ~ ' b$' ORDER BY o.seq; ) : '') . $gone },
	again => sub { return q(UPDATE syncup.provisioning_order SET next_attempt = now() WHERE state = 'errored' AND next_attempt IS NOT NULL) },
	read_back => sub { return $read },
	report => sub { return q(SELECT syncup_report_order(o.order_id, CASE WHEN NOT EXISTS (SELECT FROM done d WHERE d.order_id = o.order_id) THEN 'it was not' END) FROM syncup.provisioning_order o WHERE o.seq = )
		. some(q(seq FROM syncup.provisioning_order WHERE state IN ('unknown', 'errored', 'executed', 'transmitted') AND executor IS NULL), 3) },
	edit => sub { return sprintf 'UPDATE its_account SET %s = %s WHERE id = %s', pick(qw(mail login title boss)), literal(pick('m1', 'm2', 'n1', 'n2', 'T1', 'zz', undef)), some_account() },
	rename => sub { my $a = some_account(); return "CREATE TEMPORARY TABLE news AS SELECT x.id FROM (SELECT $a AS id) x WHERE NOT EXISTS (SELECT FROM its_account s WHERE s.id = x.id || 'x' UNION ALL SELECT FROM its_member l WHERE l.a = x.id || 'x'); UPDATE its_member SET a = a || 'x' WHERE a IN (SELECT id FROM news); UPDATE its_account SET id = id || 'x' WHERE id IN (SELECT id FROM news); DROP TABLE news" },
	stranger => sub { return sprintf q(INSERT INTO its_account VALUES ('z%s', %s, %s) ON CONFLICT DO NOTHING), 1 + int rand 3, literal(pick('m1' .. 'm4', undef)), literal(pick('n1' .. 'n3', undef)) },
	vanish => sub { return 'DELETE FROM its_account WHERE id = ' . some_account() . '; DELETE FROM its_member m WHERE NOT EXISTS (SELECT FROM its_account s WHERE s.id = m.a)' },
	join => sub { return "INSERT INTO its_member SELECT s.id, '" . pick('all', 'a', 'b', 'k') . "' FROM its_account s WHERE s.id = " . some_account() . ' ON CONFLICT DO NOTHING' },
	leave => sub { return "DELETE FROM its_member WHERE g = '" . pick('all', 'a', 'b', 'k') . "' AND a = " . some_account() },
	approve => sub { return decide('syncup_approve', "provisioning_state = 'errored'", "workflow_state = 'declined'", ("provisioning_state = 'awaiting approval'") x 2, "workflow_state = 'non-conforming'") },
	decline => sub { return decide('syncup_decline', "provisioning_state = 'pending'", "provisioning_state = 'awaiting approval'", "workflow_state = 'non-conforming'") },
	release => sub { return q(INSERT INTO decided SELECT unnest(assignments) FROM syncup.provisioning_order WHERE state = 'blocked'; SELECT ) . pick(('syncup_release_orders') x 2, 'syncup_decline_orders') . q{(generation) FROM (SELECT DISTINCT generation FROM syncup.provisioning_order WHERE state = 'blocked') g} },
	purge => sub { return q(SELECT syncup.purge_orders('0')) },
	owner => sub { my $a = some('id FROM account', 4); my $p = pick((literal(person())) x 2, 'NULL');
		return "INSERT INTO decided SELECT assignment FROM syncup.assignment WHERE kind = 'account' AND account_key = $a; DO \$\$ BEGIN PERFORM syncup_decide_owner('A', $a, $p); EXCEPTION WHEN OTHERS THEN NULL; END \$\$" },
);
my @often = (('wish') x 5, 'swap', ('come_or_go') x 2, 'merge', 'split', ('model') x 7, ('order') x 5, ('fulfill') x 4, ('slice') x 2, 'crash', 'again', ('read_back') x 5, ('report') x 2,
	qw(edit rename stranger vanish join leave), ('approve') x 3, qw(decline release purge owner));

# After each run of the role model: what is noted, and what is never so.
my $note = <<'SQL';
INSERT INTO given SELECT x.resource_type, x.account_key, x.owner_key FROM syncup.assignment x WHERE x.kind = 'account' AND x.provisioning_state = 'verified' AND x.expected IS NOT NULL AND x.account_key IS NOT NULL ON CONFLICT DO NOTHING;
INSERT INTO wished SELECT currval('step'), a.id, v.p, CASE WHEN x.assignment IS NULL THEN 'nothing is' ELSE x.expected END FROM account a CROSS JOIN (VALUES ('mail'), ('login'), ('title')) v (p)
LEFT JOIN syncup.assignment x ON x.resource_type = 'A' AND x.account_key = a.id AND x.property = v.p AND x.provisioning_state <> 'rule error';
INSERT INTO equalled SELECT x.account_key, x.property, x.expected, currval('step') FROM syncup.assignment x JOIN account a ON a.id = x.account_key
WHERE x.resource_type = 'A' AND x.kind = 'scalar' AND x.provisioning_state <> 'rule error' AND x.property <> 'id' AND nullif(to_jsonb(a) ->> x.property, '') IS NOT DISTINCT FROM x.expected
ON CONFLICT (account, p) DO UPDATE SET v = excluded.v, step = excluded.step;
INSERT INTO wrong SELECT currval('step'), concat_ws(' ', 'twice:', resource_type, owner_key, account_key, kind, property) FROM syncup.assignment WHERE resource_type IS NOT NULL
GROUP BY resource_type, owner_key, account_key, kind, property, CASE WHEN property = 'member' THEN coalesce(expected, current, written, verified_current) END HAVING count(*) > 1;
SQL
my $complete = <<'SQL';
SELECT FROM syncup_compute_correlation_keys();
INSERT INTO wrong SELECT currval('step'), 'a complete run says more: ' || m::text FROM syncup_compute_role_model() m;
SQL
my $ordered = <<'SQL';
INSERT INTO wrong SELECT currval('step'), 'ordered again: ' || o::text FROM syncup_generate_provisioning_orders() o;
SQL
my $check = <<'SQL';
INSERT INTO wrong SELECT currval('step'), 'done twice: ' || d.order_id FROM done d WHERE NOT d.idempotent GROUP BY d.order_id HAVING count(*) > 1;
SELECT nextval('step');
SQL

for my $seed (@seeds)
{
	diag("SEED=$seed");
	srand($seed);
	my $limits = chance(0.3) ? '"maximum_deleted_lines": 1, "maximum_updated_lines": 2, ' : '';
	$limits = "{$limits" . join(', ', map { "\"max_percentage_${_}_lines\": 0" } qw(inserted updated deleted)) . '}';
	my $types = sprintf q(SELECT syncup_create_resource_type('A', 'person', 'account', '{"review": %s, "remove_orphans": %s, "correlate_multiple": %s, "limits": %s, "fulfill": {"kind": "sql", "function": "public.tell", "retry_delay": "0", "idempotent": %s}}'),
		syncup_create_resource_type('M', 'person', 'mailbox', '{"review": false, "depends_on": "A", "limits": %4$s, "fulfill": {"kind": "sql", "function": "public.tell", "retry_delay": "0"}}');) . "\n",
		yes(0.3), yes(0.3), yes(0.2), $limits, yes(0.5);
	my $history = '';
	for my $n (1 .. $rounds)
	{
		my $what = pick(@often);
		$history .= "-- step $n $what\n" . $can{$what}->() . ";\n";
		$history .= $note . (chance(0.5) ? $complete . $note : '') if $what eq 'model';
		$history .= $ordered if $what eq 'order';
		$history .= $check;
	}
	$node->safe_psql('postgres', "CREATE DATABASE h$seed");
	my ($out, $err);
	$node->psql("h$seed", "SET client_min_messages = warning;\n$tables$types$rules$history", stdout => \$out, stderr => \$err);
	is($err, '', "history $seed: no error");
	is($node->safe_psql("h$seed", q(SELECT step, what FROM wrong ORDER BY step, what COLLATE "C" LIMIT 5)), '', "history $seed: what is said, ordered and told is right");
	isnt($node->safe_psql("h$seed", 'SELECT count(*) FROM done'), '0', "history $seed: something was done");
}
$node->stop;
done_testing();
