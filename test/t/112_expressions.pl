# Random histories of sources, hands and rules: after each step the flags lead a dirty
# run of expressions to just the state that plain SQL makes of the one before; a
# complete run does the same. Bindings lead over people, units, teams and stops, in
# tables with scopes (rows change hands), retired rows, keys of several columns; links
# lie in columns and in a table that two associations share. Between dirty runs batches
# are undone, rules are changed, and the server is stopped in the middle of a run.
#
#   SEED=n, SECONDS=25, HISTORIES=n     as in 100_oracle.pl
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $seconds = $ENV{SECONDS} // 25;
my $histories = $ENV{HISTORIES};

my $node = PostgreSQL::Test::Cluster->new('expressions');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "autovacuum = off\njit = off\nstatement_timeout = '60s'\n");
$node->start;
my ($seed, $step, @story);

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

sub fail_history
{
	my ($what) = @_;
	diag("SEED=$seed, step $step: $what\n" . join "\n", @story);
	fail("history of seed $seed");
	$node->stop('immediate', fail_ok => 1);
	done_testing();
	exit 1;
}

sub try_sql
{
	my ($statements) = @_;
	return $node->psql('postgres', "SET client_min_messages = error;\n$statements", on_error_stop => 1);
}

sub sql
{
	my ($statements) = @_;
	my ($status, $out, $err) = try_sql($statements);
	fail_history("$err in $statements") if $status != 0;
	return $out;
}

# ---------- the server's side ----------

my $tables = <<'SQL';
DROP SCHEMA IF EXISTS s, x, m CASCADE;
CREATE SCHEMA s;
CREATE SCHEMA x;
CREATE SCHEMA m;
CREATE TABLE s.unit (code text PRIMARY KEY, name text, parent text, head int);
CREATE TABLE s.team (code text PRIMARY KEY, name text);
CREATE TABLE s.person (id int PRIMARY KEY, kind text, fn text, ln text, unit text, boss int, team text, n int);
CREATE TABLE s.stop (trip text, seq int, day date, code text, name text, warden int, PRIMARY KEY (trip, seq, day));
CREATE TABLE s.member (person int, team text, kind text, PRIMARY KEY (person, team));
CREATE VIEW s.staff AS SELECT * FROM s.person WHERE kind = 'staff';
CREATE VIEW s.extern AS SELECT * FROM s.person WHERE kind = 'extern';
CREATE VIEW s.member1 AS SELECT * FROM s.member WHERE kind = 'a';
CREATE VIEW s.member2 AS SELECT * FROM s.member WHERE kind = 'b';
CREATE TABLE x.unit (code text PRIMARY KEY, name text, parent text, head int, label text, depth int);
CREATE TABLE x.team (code text PRIMARY KEY, name text, gone timestamptz, size int);
CREATE TABLE x.person (id int PRIMARY KEY, src text, fn text, ln text, unit text REFERENCES x.unit ON DELETE SET NULL, boss int, team text, n int, note text,
	login text, mail text, unit_name text, above text, boss_mail text, far text, team_name text, kept text, ratio numeric(6,2), lag text);
CREATE TABLE x.stop (trip text, seq int, day date, name text, warden int, no int GENERATED ALWAYS AS IDENTITY UNIQUE, label text, PRIMARY KEY (trip, seq, day));
CREATE TABLE x.member (person int, team text, PRIMARY KEY (person, team));
SELECT syncup_create_connector('C');
SELECT syncup_map_entity_type('C', 'unit', 'x.unit', NULL, 'code', '{"code": "code", "name": "name"}', options => '{"source": "s.unit"}');
SELECT syncup_map_entity_type('C', 'team', 'x.team', NULL, 'code', '{"code": "code", "name": "name"}', options => '{"source": "s.team", "deleted_column": "gone"}');
SELECT syncup_map_entity_type('C', kind, 'x.person', NULL, 'id', '{"id": "id", "fn": "fn", "ln": "ln", "n": "n"}',
	options => jsonb_build_object('source', 's.' || kind, 'scope', format('src = %L', kind), 'constants', jsonb_build_object('src', kind))) FROM unnest('{staff,extern}'::text[]) kind;
SELECT syncup_map_entity_type('C', 'stop', 'x.stop', NULL, '{trip,seq,day}'::text[], '{"trip": "trip", "seq": "seq", "day": "day", "name": "name"}', '{code}', '{"source": "s.stop"}');
SELECT syncup_map_association('C', 'parent', NULL, 'code', 'unit.code', 'parent', 'unit.code', 'x.unit', target_column2 => 'parent', options => '{"source": "s.unit"}');
SELECT syncup_map_association('C', 'head', NULL, 'code', 'unit.code', 'head', 'staff.id', 'x.unit', target_column2 => 'head', options => '{"source": "s.unit"}');
SELECT syncup_map_association('C', kind || '_unit', NULL, 'id', kind || '.id', 'unit', 'unit.code', 'x.person', target_column2 => 'unit', options => jsonb_build_object('source', 's.' || kind)) FROM (VALUES ('staff')) AS k (kind);
SELECT syncup_map_association('C', 'boss', NULL, 'id', 'staff.id', 'boss', 'staff.id', 'x.person', target_column2 => 'boss', options => '{"source": "s.staff"}');
SELECT syncup_map_association('C', 'team_of', NULL, 'id', 'staff.id', 'team', 'team.code', 'x.person', target_column2 => 'team', options => '{"source": "s.staff"}');
SELECT syncup_map_association('C', 'warden', NULL, 'code', 'stop.code', 'warden', 'staff.id', 'x.stop', target_column2 => 'warden', options => '{"source": "s.stop"}');
SELECT syncup_map_association('C', 'member' || k, NULL, 'person', 'staff.id', 'team', 'team.code', 'x.member', 'person', 'team', jsonb_build_object('source', 's.member' || k)) FROM generate_series(1, 2) k;
SELECT syncup_set_thresholds('C', (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit));
SQL

# What expressions there are, as they are defined; and the same as plain SQL over the
# copies, below. A rule that is off leaves its column alone.
my %define = (
	login => q{'x.person', 'login', $$syncup_format(left(r.fn, 1) || r.ln, 'simplify')$$},
	unit_name => q{'x.person', 'unit_name', NULL, 0, 'staff_unit.name'},
	above => q{'x.person', 'above', 'upper(v)', 0, 'staff_unit.parent.name'},
	far => q{'x.person', 'far', $$concat(v, '/', r.fn)$$, 0, 'boss.staff_unit.name'},
	team_name => q{'x.person', 'team_name', 'v', 0, 'team_of.name'},
	kept => q{'x.person', 'kept', 'coalesce(r.kept, r.fn)', 0},
	ratio => q{'x.person', 'ratio', '100.0 / (r.n - 3)', 0},
	lag => q{'x.person', 'lag', 'r.mail', 0},
	mail => q{'x.person', 'mail', $$r.login || '@x'$$, 1},
	boss_mail => q{'x.person', 'boss_mail', NULL, 2, 'boss.mail'},
	label => q{'x.unit', 'label', $$concat(r.name, ':', v)$$, 3, 'head.boss_mail'},
	stop => q{'x.stop', 'label', $$r.name || coalesce(v, '-')$$, 2, 'warden.login'},
);
my @off;

# What a complete run makes of the state before.
sub model_sql
{
	my %on = map { $_ => 1 } grep { my $n = $_; !grep { $_ eq $n } @off } keys %define;
	my $set = sub { my ($name, $column, $value) = @_; return $on{$name} ? "$column = $value" : "$column = t.$column" };
	my @p0 = (
		$set->('login', 'login', "nullif(regexp_replace(lower(translate(left(t.fn, 1) || t.ln, 'äö', 'ao')), '[^a-z0-9]', '', 'g'), '')"),
		$set->('unit_name', 'unit_name', '(SELECT u.name FROM m.unit u WHERE u.code = t.unit)'),
		$set->('above', 'above', '(SELECT upper(p.name) FROM m.unit u JOIN m.unit p ON p.code = u.parent WHERE u.code = t.unit)'),
		$set->('far', 'far', "concat((SELECT u.name FROM m.person b JOIN m.unit u ON u.code = b.unit WHERE b.id = t.boss), '/', t.fn)"),
		$set->('team_name', 'team_name', '(SELECT x.name FROM m.team x WHERE x.code = t.team)'),
		$set->('kept', 'kept', 'coalesce(t.kept, t.fn)'),
		$set->('ratio', 'ratio', 'CASE WHEN t.n = 3 THEN t.ratio ELSE 100.0 / (t.n - 3) END'),
		$set->('lag', 'lag', 't.mail'));
	return join ";\n",
		'UPDATE m.person t SET ' . join(', ', @p0),
		'UPDATE m.person t SET ' . $set->('mail', 'mail', "t.login || '\@x'"),
		'UPDATE m.person t SET ' . $set->('boss_mail', 'boss_mail', '(SELECT b.mail FROM m.person b WHERE b.id = t.boss)'),
		'UPDATE m.stop t SET ' . $set->('stop', 'label', "t.name || coalesce((SELECT p.login FROM m.person p WHERE p.id = t.warden), '-')"),
		'UPDATE m.unit t SET ' . $set->('label', 'label', "concat(t.name, ':', (SELECT p.boss_mail FROM m.person p WHERE p.id = t.head))");
}

# ---------- steps ----------

# Sources change a little or a lot; ends of links may be missing.
sub change_sources
{
	my $often = pick(0.03, 0.1, 0.4);
	my $some = sub { return "random() < $often" };
	my $word = sub { return "(ARRAY['Ada','Bob','Cy','Dan','Eve','Fay', NULL])[1 + int4(random() * 6)]" };
	return join ";\n", 'SELECT setseed(' . rand() . ')',
		"DELETE FROM s.unit WHERE " . $some->() . " AND random() < 0.5",
		"INSERT INTO s.unit SELECT 'u' || i FROM generate_series(1, 8) i WHERE " . $some->() . ' ON CONFLICT DO NOTHING',
		"UPDATE s.unit SET name = 'name ' || int4(random() * 9) WHERE " . $some->() . ' OR name IS NULL',
		"UPDATE s.unit SET parent = 'u' || 1 + int4(random() * 9), head = int4(random() * 32) WHERE " . $some->(),
		"DELETE FROM s.team WHERE " . $some->(),
		"INSERT INTO s.team SELECT 't' || i, 'team ' || i FROM generate_series(1, 5) i WHERE " . $some->() . ' ON CONFLICT DO NOTHING',
		"UPDATE s.team SET name = 'team ' || int4(random() * 9) WHERE " . $some->(),
		"DELETE FROM s.person WHERE " . $some->() . " AND random() < 0.5",
		"INSERT INTO s.person (id, kind, fn, ln) SELECT i, 'staff', " . $word->() . ', ' . $word->() . ' FROM generate_series(1, 30) i WHERE ' . $some->() . ' ON CONFLICT DO NOTHING',
		"UPDATE s.person SET fn = " . $word->() . ' WHERE ' . $some->(),
		"UPDATE s.person SET ln = " . $word->() . ' WHERE ' . $some->(),
		"UPDATE s.person SET n = int4(random() * 8) WHERE " . $some->(),
		"UPDATE s.person SET unit = 'u' || 1 + int4(random() * 9) WHERE " . $some->(),
		"UPDATE s.person SET boss = int4(random() * 32) WHERE " . $some->(),
		"UPDATE s.person SET team = 't' || 1 + int4(random() * 5) WHERE " . $some->(),
		"UPDATE s.person SET kind = CASE kind WHEN 'staff' THEN 'extern' ELSE 'staff' END WHERE " . $some->() . ' AND random() < 0.5',
		"DELETE FROM s.stop WHERE " . $some->(),
		"INSERT INTO s.stop SELECT 't ' || i % 3, i, date '2026-01-01' + i, 'c' || i, 'stop ' || i FROM generate_series(1, 6) i WHERE " . $some->() . ' ON CONFLICT DO NOTHING',
		"UPDATE s.stop SET warden = int4(random() * 32) WHERE " . $some->(),
		"DELETE FROM s.member WHERE " . $some->(),
		"INSERT INTO s.member SELECT int4(random() * 30), 't' || int4(random() * 5), (ARRAY['a','b'])[1 + int4(random())] FROM generate_series(1, 20) WHERE " . $some->() . ' ON CONFLICT DO NOTHING';
}

sub synchronize
{
	my ($mode) = @_;
	my $run = "SELECT count(syncup_prepare('C', '%s')) FROM (SELECT) AS once;\nSELECT string_agg(DISTINCT status, ' ') FROM syncup_synchronize('C', keep_changes => true);";
	my $status = sql(sprintf $run, $mode);
	my $error = sql("SELECT error FROM syncup.batch WHERE status = 'failed'");
	if ($error =~ /goes with the same batch/)
	{
		# who becomes extern keeps the unit of the staff: nobody takes it away but by hand
		push @story, "step $step: it fails, units of externs are emptied";
		sql("SELECT syncup_discard(batch) FROM syncup.batch WHERE status = 'failed';\n"
			. "WITH edited AS (UPDATE x.person SET unit = NULL WHERE id NOT IN (SELECT id FROM s.staff) AND unit IS NOT NULL RETURNING id) SELECT syncup_flag('x.person', id::text) FROM edited;");
		$status = sql(sprintf $run, 'complete');
	}
	fail_history("a batch is $status: " . sql("SELECT error FROM syncup.batch WHERE status = 'failed'")) if $status !~ /^\d+\napplied$/;
	return;
}

# Somebody edits rows, or deletes some, and says so.
sub edit
{
	my ($table, $change) = @{ pick(
		[ 'x.person', "UPDATE x.person SET fn = 'By hand' WHERE id = \$1 RETURNING id" ],
		[ 'x.person', "UPDATE x.person SET boss = NULL, unit = NULL WHERE id = \$1 RETURNING id" ],
		[ 'x.person', "UPDATE x.person SET mail = 'mine', kept = NULL, n = 3 WHERE id = \$1 RETURNING id" ],
		[ 'x.person', "DELETE FROM x.person WHERE id = \$1 RETURNING id" ],
		[ 'x.unit', "UPDATE x.unit SET name = 'by hand' WHERE code = 'u' || \$1 % 8 RETURNING code" ],
		[ 'x.unit', "UPDATE x.unit SET head = \$1 WHERE code = 'u' || \$1 % 8 RETURNING code" ],
		[ 'x.team', "DELETE FROM x.team WHERE code = 't' || \$1 % 5 RETURNING code" ],
		[ 'x.stop', "UPDATE x.stop SET name = 'by hand' WHERE seq = \$1 % 6 RETURNING (trip, seq, day)" ]) };
	my $n = 1 + int rand 30;
	$change =~ s/\$1/$n/g;
	# whoever has a link to a unit that is gone loses it: a foreign key says so, and no flag
	sql("WITH edited (key) AS ($change) SELECT syncup_flag('$table', key::text) FROM edited;");
	return "$change, flagged";
}

sub undo
{
	my ($status, $out, $err) = try_sql("SELECT count(syncup_undo((SELECT batch FROM syncup.batch WHERE connector = 'C' AND status = 'applied' AND changes_kept ORDER BY seq DESC LIMIT 1))) FROM (SELECT) AS once;");
	fail_history($err) if $status != 0 && $err !~ /changed by somebody else since|constraints|to be undone|must not be null|goes with the same batch/;
	return $status == 0 ? 'undone' : 'not undone';
}

# A rule goes, or comes back.
sub change_rules
{
	my $name = pick(sort keys %define);
	if (grep { $_ eq $name } @off)
	{
		@off = grep { $_ ne $name } @off;
		sql("SELECT syncup_define_expression($define{$name});");
		return "$name is defined";
	}
	push @off, $name;
	sql("SELECT syncup_drop_rule('expression " . ($name eq 'stop' ? 'stop.label' : $name eq 'label' ? 'unit.label' : "person.$name") . "');");
	return "$name is dropped";
}

# The server is gone before the run has committed.
sub stop_in_the_middle
{
	my $session = $node->background_psql('postgres', on_error_stop => 0);
	$session->query_safe("BEGIN; SET client_min_messages = error;");
	$session->query_safe("SELECT count(*) FROM syncup_update_expressions(dirty => " . pick('true', 'false') . ');');
	$node->stop('immediate');
	eval { $session->quit };
	$node->start;
	return 'the server is stopped in the middle of a run';
}

# ---------- compared ----------

my @compared = (
	[ 'person', 'id, login, mail, unit_name, above, boss_mail, far, team_name, kept, ratio, lag' ],
	[ 'unit', 'code, label' ], [ 'stop', 'trip, seq, day, label' ]);

sub run_and_compare
{
	my ($dirty) = @_;
	my $copies = join '', map { "DROP TABLE IF EXISTS m.$_;\nCREATE TABLE m.$_ AS TABLE x.$_;\n" } qw(person unit team stop);
	my $differ = join ' UNION ALL ', map {
		my ($table, $columns) = @$_;
		"(SELECT '$table wrong: ' || d::text FROM (SELECT $columns FROM x.$table EXCEPT SELECT $columns FROM m.$table) d)"
			. " UNION ALL (SELECT '$table right: ' || d::text FROM (SELECT $columns FROM m.$table EXCEPT SELECT $columns FROM x.$table) d)"
	} @compared;
	my $out = sql($copies . model_sql() . ";\nSELECT '' FROM (SELECT count(*) FROM syncup_update_expressions(dirty => $dirty)) AS once;\nSELECT string_agg(t, E'\\n') FROM ($differ) AS t (t);"
		. "\nSELECT 'errors' WHERE (SELECT coalesce(array_agg(key ORDER BY key), '{}') FROM syncup.expression_error) IS DISTINCT FROM "
		. ((grep { $_ eq 'ratio' } @off) ? "'{}'::text[]" : "(SELECT coalesce(array_agg(id::text ORDER BY id::text), '{}') FROM x.person WHERE n = 3)") . ';');
	fail_history(($dirty eq 'true' ? 'dirty' : 'complete') . ": $out") if $out =~ /\S/;
	return;
}

sub play_history
{
	srand $seed;
	@story = ();
	@off = ();
	$step = 0;
	sql('DROP EXTENSION IF EXISTS syncup CASCADE; CREATE EXTENSION syncup;');
	sql($tables);
	sql(join ";\n", change_sources());
	synchronize('complete');
	# those that are dropped in the end come last
	sql(join '', map { "SELECT syncup_define_expression($define{$_});\n" } grep { $_ ne 'mail' } sort keys %define);
	sql("SELECT syncup_define_expression($define{mail});");
	run_and_compare('true');
	my $stops = 0;
	for my $n (1 .. 12)
	{
		$step = $n;
		for (1 .. pick(1, 1, 2, 3))
		{
			my $what = pick(qw(source source source edit edit undo rules stop));
			next if $what eq 'stop' && $stops++;
			if ($what eq 'source')
			{
				sql(join ";\n", change_sources());
				my $mode = pick('complete', 'incremental');
				push @story, "step $step: sources change, $mode";
				synchronize($mode);
				next;
			}
			push @story, "step $step: " . ($what eq 'edit' ? edit() : $what eq 'undo' ? undo() : $what eq 'rules' ? change_rules() : stop_in_the_middle());
		}
		run_and_compare('true');
		if (chance(0.3))
		{
			push @story, "step $step: a complete run";
			run_and_compare('false');
		}
	}
	pass("history of seed $seed");
	return;
}

diag("SEED=$first_seed");
my $until = time + $seconds;
for (my $n = 0; defined $histories ? $n < $histories : time < $until; $n++)
{
	$seed = $first_seed + $n;
	play_history();
}
$node->stop;
done_testing();
