# Configurations drawn at random as documents: what is exported, imported elsewhere and
# exported again is equal; a document that is wrong somewhere changes nothing.
#
#   SEED=n      begins with the configuration of that seed (printed)
#   ROUNDS=2    how many
#   SECONDS=0   or for so long; more in the soak
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $rounds = $ENV{ROUNDS} // 2;
my $end = time + ($ENV{SECONDS} // 0);
diag("SEED=$first_seed");

my $node = PostgreSQL::Test::Cluster->new('configuration');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_min_messages = fatal\n");
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;
for ([ 'usr.csv', "id,name,since,boss,dn\n1,a,20240101000000Z,,cn=a\n" ], [ 'grp.csv', "a,b,label\n1,2,x\n" ], [ 'team.csv', "id,label\nt,x\n" ], [ 'member.csv', "team,usr,role\nt,1,o\n" ],
	[ 'account.csv', "login,mail,note\na,m,n\n" ], [ 'account_team.csv', "login,team\na,t\n" ])
{
	open my $file, '>', "$folder/$_->[0]" or die;
	print $file $_->[1];
	close $file;
}

sub pick { return $_[ int rand @_ ] }
sub some { my $chance = shift; return grep { rand() < $chance } @_ }
sub query { my ($database, $sql) = @_; return $node->safe_psql($database, $sql) }

# Tables, without rows.
my $tables = <<'SQL';
CREATE EXTENSION syncup;
CREATE SCHEMA "Other one";
CREATE TABLE usr (id int PRIMARY KEY, name text, login text, mail text, since timestamptz, boss int, gone timestamptz, source text);
CREATE TABLE grp (a int, b int, label text, PRIMARY KEY (a, b));
CREATE TABLE "Other one"."Team's" (id text PRIMARY KEY, label text);
CREATE TABLE member (team text, usr int, role text, PRIMARY KEY (team, usr, role));
CREATE TABLE account (login text PRIMARY KEY, mail text, note text);
CREATE TABLE account_team (login text, team text, PRIMARY KEY (login, team));
SQL

sub options
{
	my @options = some(.35, @_);
	return '{' . join(', ', @options) . '}';
}

# Statements, most of which are accepted.
sub draw
{
	my @connector = ('"on_error": "quarantine"', '"reject_limit": {"rejected": 5}', '"max_age": "2 days"', '"quoting": "lenient"', '"trim": " "', q{"null": ["NULL", "it''s"]}, '"encoding": "LATIN1"', '"min_age": 3');
	my @mapping = ('"delimiter": ","', '"optional": true', '"min_rows": 0', q{"where": "id <> ''''"}, @connector[3 .. 5]);
	my @calls;
	for my $c (some(.9, 'A', 'b "q" é'))
	{
		push @calls, "syncup_create_connector('$c', '$folder', '@{[ options(@connector) ]}')";
		push @calls, "syncup_map_entity_type('$c', 'usr', 'usr', 'usr.csv', 'id', '{\"id\": \"id\", \"name\": " . pick('"name"', '[{"column": "name", "write": "insert"}, "login"]', '{"column": "name", "empty": "keep"}')
		  . pick('', ', "since": {"column": "since", "format": "generalizedtime"}') . "}', '" . pick('{}', '{dn}', '{dn,name}') . "', '" . options(@mapping, '"scope": "id > 0"', '"deleted_column": "gone"', '"constants": {"source": "S"}') . "')" if rand() < .9;
		push @calls, "syncup_map_entity_type('$c', 'grp', 'grp', 'grp.csv', ARRAY['a', 'b'], options => '@{[ options('\"quoting\": \"lenient\"', '\"optional\": true') ]}')" if rand() < .6;
		push @calls, "syncup_map_entity_type('$c', 'team. x', '\"Other one\".\"Team''s\"', 'team.csv', 'id')" if rand() < .6;
		push @calls, "syncup_map_entity_type('$c', 'team', '\"Other one\".\"Team''s\"', 'team.csv', 'id')" if rand() < .7;
		push @calls, "syncup_map_association('$c', 'boss', 'usr.csv', 'id', 'usr.id', 'boss', 'usr." . pick('id', 'dn') . "', 'usr', target_column2 => 'boss')" if rand() < .6;
		push @calls, "syncup_map_association('$c', 'member', 'member.csv', 'team', 'team.id', 'usr', 'usr.id', 'member', 'team', 'usr', '{\"columns\": {\"role\": \"role\"}, \"link_key\": [\"role\"]}')" if rand() < .6;
		push @calls, "syncup_map_entity_type('$c', 'acc', 'account', 'account.csv', 'login')" if rand() < .7;
		push @calls, "syncup_map_association('$c', 'acc team', 'account_team.csv', 'login', 'acc.login', 'team', 'team.id', 'account_team', 'login', 'team')" if rand() < .8;
		push @calls, "syncup_set_thresholds('$c', (SELECT jsonb_object_agg(name, @{[ int rand 40 ]} ) FROM syncup.threshold_limit WHERE hashtext(name || @{[ int rand 1000 ]}) % 3 = 0)" . pick('', ", 'usr'") . ")" for 1 .. int rand 3;
		push @calls, "syncup_add_check('$c', 'it''s " . pick('a', 'b') . "', 'SELECT 1 FROM link_changes WHERE false', " . pick('NULL', "'usr'") . ")" if rand() < .6;
		push @calls, "syncup_grant_sender('$c', '" . pick('sender', 'Other sender') . "')" if rand() < .5;
		push @calls, "syncup_deactivate('$c')" if rand() < .2;
		push @calls, "(SELECT count(*) FROM syncup_create_jobs('$c'))" if rand() < .5;
	}
	push @calls, "syncup_create_resource_type('R', 'usr', 'account', '@{[ options('\"review\": false', '\"suggest_all\": true', '\"correlate_multiple\": true', '\"active\": \"o.id > 1\"') ]}')";
	push @calls, some(.6, q{syncup_define_correlation('R', 'o.name', 'a.login', 110)}, q{syncup_define_role('any', 'usr', 'true')}, q{syncup_define_role('a boss', 'usr', 'o.boss IS NULL', 'any')},
		q{syncup_define_type_rule('R', 'o.id > 1', 'a boss')}, q{syncup_define_type_rule('R', 'o.id > 2', denied => true)}, q{syncup_define_scalar_rule('R', 'mail', 'o.mail', '{"mapped": false, "compare": "case"}')}, q{syncup_define_scalar_rule('R', 'login', 'o.name')},
		q{syncup_define_classification('R', 'a.mail IS NULL', 90)}, q{syncup_define_profile('reader', 'usr', 'o.id = 1')}, q{syncup_define_expression('usr', 'mail', $q$lower(r.name) || '@''' || v$q$, 1, 'boss.name')});
	push @calls, some(.6, map { my $c = $_; map { "syncup_define_navigation_rule('R', '$c.acc team', $_)" } q{$q$'t'$q$, 'o.id > 1'}, q{$q$SELECT id FROM "Other one"."Team's"$q$, role => 'a boss'}, q{$q$'it''s'$q$, denied => true} } 'A', 'b "q" é');
	push @calls, q{syncup_create_job('both', } . pick('true', 'false') . qq{, '@{[ options(q{"comment": "it''s"}, '"repeat": 3', '"keep_runs": 7') ]}')}, q{syncup_add_step('both', 'one', 'sql', options => '{"statement": "SELECT 1"}')},
	  q{syncup_add_step('both', 'two, "2"', 'sql', parents => '{one}', start_when => '} . pick('any did', 'always') . q{', continue_on_error => true, options => '{"statement": "SELECT ''x''"}')} if rand() < .7;
	return @calls;
}

# Imports; what it changed, or its error.
sub import_into
{
	my ($database, $document, $dry_run) = @_;
	my ($status, $printed, $error) = $node->psql($database, 'SELECT * FROM syncup_import_configuration($document$' . $document . '$document$, ' . ($dry_run ? 'true' : 'false') . ')');
	return $status == 0 ? $printed : "error: $error";
}

# What stands in the tables, without what is found anew when it is made.
sub state
{
	my ($database) = @_;
	return join "\n", map { query($database, "SELECT '$_ ' || (to_jsonb(t) - '{table_name,ordinal,change_column,target_number,id,seq,owner,definer,role,created_at,made_at}'::text[] #- '{options,made}')::text FROM syncup.$_ t ORDER BY 1") }
	  qw(connector mapping mapping_column association threshold check_definition sender resource_type rule job job_step);
}

sub document { return query($_[0], 'SELECT syncup_export_configuration()') }

query('postgres', 'CREATE ROLE sender; CREATE ROLE "Other sender"; GRANT pg_read_server_files TO sender');
for (my $round = 1; $round <= $rounds || time < $end; $round++)
{
	my $seed = $first_seed + $round - 1;
	srand($seed);
	query('postgres', "CREATE DATABASE $_$round") for 'one', 'two';
	my ($one, $two) = ("one$round", "two$round");
	query($_, "SET client_min_messages = error; $tables") for $one, $two;
	my @refused;
	for my $call (draw())
	{
		my ($status, undef, $error) = $node->psql($one, "SET client_min_messages = error; SELECT $call");
		push @refused, "$call: $error" if $status != 0;
	}
	note(join "\n", "refused of seed $seed:", @refused);
	my $first = document($one);
	my $would = import_into($two, $first, 1);
	unlike($would, qr/^error/, "seed $seed: a document of " . length($first) . ' bytes would be imported');
	is(query($two, "SELECT syncup_export_configuration() - 'syncup'"), '{}', 'which changed nothing');
	is(import_into($two, $first), $would, 'it is, as foretold');
	is(document($two), $first, 'and the same comes out');
	is(state($two), state($one), 'and stands there');
	is(import_into($two, $first), '', 'again: nothing to do');
	query($two, 'SET client_min_messages = error; DROP EXTENSION syncup CASCADE; CREATE EXTENSION syncup');
	import_into($two, $first);
	is(document($two), $first, 'all gone: it is restored');

	# wrong somewhere: a value of another type, a name that is none, a member that is gone
	my @paths = split /\n/, query($two, q{WITH RECURSIVE node (path, value) AS (
		SELECT ARRAY[]::text[], syncup_export_configuration() UNION ALL
		SELECT n.path || m.key, m.value FROM node n CROSS JOIN LATERAL (
			SELECT e.key, e.value FROM jsonb_each(CASE WHEN jsonb_typeof(n.value) = 'object' THEN n.value ELSE '{}' END) e UNION ALL
			SELECT (a.i - 1)::text, a.v FROM jsonb_array_elements(CASE WHEN jsonb_typeof(n.value) = 'array' THEN n.value ELSE '[]' END) WITH ORDINALITY a (v, i)) m)
		SELECT path::text FROM node WHERE cardinality(path) > 0 ORDER BY path});
	my ($refused, @errors, @bad) = (0);
	for (1 .. 30)
	{
		my $path = pick(@paths) =~ s/'/''/gr;
		my $what = pick("d #- '$path'", map { "jsonb_set(d, '$path', '$_')" } '7', '"no such thing"', '{"x": null}', '[[]]', 'true', 'null');
		my $import = "SELECT 'changes ' || change FROM (SELECT $what AS d FROM syncup_export_configuration() d) w, syncup_import_configuration(w.d);\n";
		my ($status, $printed, $error) = $node->psql($two, "BEGIN;\nCREATE TEMPORARY TABLE w AS SELECT $what AS d FROM syncup_export_configuration() d;\nSELECT change FROM w, syncup_import_configuration(d);\nSELECT 'again ' || object FROM w, syncup_import_configuration(d);\nROLLBACK;");
		# what is accepted is so from then on
		push @bad, "accepted, but never equal: $what: $1" if $status == 0 && $printed =~ /^again (.*)/m;
		next if $status == 0;
		# what is refused changes nothing, outside of a transaction as well, and it is said where
		$refused++;
		push @errors, "$what: $error";
		push @bad, "another answer: $what: $printed" if $node->psql($two, $import, stdout => \$printed, stderr => \$error) == 0;
		push @bad, "no place: $what: $error" if $error !~ /DETAIL:  .*(\w+\[\d+\]|Not so is \w+\.)/s && $error !~ /is no document|unknown part/;
		push @bad, "not said for people: $what: $error" if $error =~ /cache lookup|unrecognized (?!format)|cannot be matched|unexpected/;
		push @bad, "it changed something: $what" if document($two) ne $first;
	}
	cmp_ok($refused, '>', 5, "$refused documents that are wrong somewhere are refused");
	is(join("\n", @bad), '', 'all of them wholly, and each says where');
	note(join "\n", sort @errors);
	is(state($two), state($one), 'and nothing is changed');
	query('postgres', "DROP DATABASE $_") for $one, $two;
}

$node->stop;
done_testing();
