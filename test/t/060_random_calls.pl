# Random calls of every function of the extension, found in the catalogs, with
# arguments from sensible to hostile, in two sessions at once: nothing crashes, no
# assertion fails, nothing is leaked, and no call ends in an internal error (SQLSTATE
# XX000), which would be a case that nobody thought of.
#
#   SEED=n         begins with the calls of that seed (printed on failure)
#   SECONDS=10     as long; the round under way is finished
#   STATE=file     gets "calls N, errors N" at the end
use strict;
use warnings;
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $seconds = $ENV{SECONDS} // 10;
my $calls_per_round = 150;

my $node = PostgreSQL::Test::Cluster->new('random');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nstatement_timeout = '20s'\nmax_prepared_transactions = 2\n");
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;

sub pick { return $_[ int rand @_ ] }
sub chance { return rand() < $_[0] }

# A text as a literal on one line.
sub literal
{
	my ($text) = @_;
	return 'NULL' if !defined $text;
	$text =~ s/([\\'\n\r\t]|[^ -~])/sprintf ord($1) > 255 ? '\\U%08x' : ord($1) > 127 ? '\\u%04x' : '\\x%02x', ord $1/ge;
	return "E'$text'";
}

# ---------- what arguments may be ----------

my @hostile = (
	'', ' ', "'", '"', '\\', "a'; DROP TABLE t.person; --", '%s%n$1', '$1', "\n", "\t", "\x{1}", "\x{e9}\x{4e2d}\x{1F600}",
	"a\x{0300}\x{202e}", 'x' x 63, 'x' x 64, "\x{e9}" x 32, 'x' x 5000, 'NULL', 'null', 'NULL_NULL', '..', '../..', '/', '-1', '1e999',
	'NaN', 'infinity', '9999999999999999999999', '{', '[]', '""', '{"a":', 'pg_class', 'syncup.batch', 'a.b', '.', 'A.person.id.', 'true');
my @connectors = qw(A A A B a AD);
my @mappings = qw(person person unit member head x);
my @files = qw(person.csv unit.csv member.csv changes.csv junk.csv empty.csv big.csv.gz none.csv *.csv);
my @columns = qw(id name dn boss hired person unit member ID nothing);
my @properties = qw(person.id person.dn unit.id A.person.id B.unit.id person.name x.y);
my @modes = qw(initial complete complete incremental incremental undo INITIAL);
my @targets = qw(t.person t.person t.unit t.member t.part t.view t.person_pkey pg_class syncup.batch syncup_previous.a_person t.generated);
my @formats = ('', 'date', 'integer', 'trim', 'lower', 'guid', 'sid', 'ad_time', 'filetime', 'unix_time', 'yyyy-mm-dd', 'DD.MM.YYYY', 'flag:2', 'flags', 'list', 'list:;', 'number', 'number:,', 'bool', 'boolean:J/N', 'dn', 'first', 'regexp:(', '|||');
my %option = (
	delimiter => [ ',', ';', "\t", '', ',,', '"', "\n" ], quote => [ '"', "'", '', 'ab' ], escape => [ '\\', '"', '' ],
	encoding => [qw(UTF8 LATIN1 UTF-16LE UTF16BE SJIS x)], header => [ \1, \0, 'x' ], skip_lines => [ 0, 1, 1e9, -1, 0.5 ],
	quoted_empty => [qw(null empty x)], trim => [ ' ', '', "\x{a0}", '"' ], quoting => [qw(strict lenient x)],
	command_column => [ 'op', 'id', '' ], pattern => [ \1, \0 ], incremental_file => [ 'changes.csv', 'none.csv' ],
	done_suffix => [ '.done', '/' ], min_age => [ 0, 1, 1e12, -1 ], timezone => [ 'UTC', 'Europe/Zurich', 'x', '+99' ],
	on_error => [qw(stop quarantine x)], reject_limit => [ 0, 5, -1 ], duplicates => [qw(first reject x)],
	scope => [ 'id > 0', 'true', 'id > (SELECT 1)', ')', 'pg_sleep(1) IS NULL', 'nothing = 1' ], constants => [ { name => 'c' }, { id => 1 }, {}, 'x' ],
	deleted_column => [ 'gone', 'id', 'nothing' ], store1 => [ 'id', 'dn', 'x' ], store2 => [ 'id', 'x' ], split => [ ';', "\n", '' ],
	nonsense => [1]);

# JSON of a value; references to 1 and 0 are booleans.
sub json
{
	my ($value) = @_;
	return 'null' if !defined $value;
	return $$value ? 'true' : 'false' if ref $value eq 'SCALAR';
	return '[' . join(',', map { json($_) } @$value) . ']' if ref $value eq 'ARRAY';
	return '{' . join(',', map { json("$_") . ':' . json($value->{$_}) } sort keys %$value) . '}' if ref $value eq 'HASH';
	return $value if $value =~ /\A-?\d+(\.\d+)?\z/;
	$value =~ s/(["\\])/\\$1/g;
	$value =~ s/([\x00-\x1f])/sprintf '\\u%04x', ord $1/ge;
	return "\"$value\"";
}

sub options
{
	return {} if chance(0.4);
	my %chosen;
	for (1 .. 1 + int rand 3)
	{
		my $name = pick(sort keys %option);
		$chosen{$name} = chance(0.9) ? pick(@{ $option{$name} }) : pick(@hostile, undef, {}, []);
	}
	return \%chosen;
}

sub limits
{
	return { map { pick(qw(maximum_deleted_lines max_percentage_updated_lines max_percentage_inserted_lines max_percentage_deleted_lines maximum_link_deleted_lines x)) => pick(0, 0, 0, 1, 100, 1e30, -1, 'x', undef) } 1 .. 3 };
}

sub columns
{
	return undef if chance(0.3);
	return { map { $_ => chance(0.7) ? pick(@columns) : { column => pick(@columns), format => pick(@formats) } } (chance(0.8) ? 'id' : ()), map { pick(@columns, @hostile) } 1 .. 3 };
}

# A value for an argument, as SQL.
sub argument
{
	my ($name, $type) = @_;
	return "NULL::$type" if chance(0.05);
	if ($type eq 'text' || $type eq 'name')
	{
		return literal(pick(@hostile)) . "::$type" if chance(0.1);
		my $value =
			$name eq 'connector' ? pick(@connectors)
		  : $name eq 'mode' ? pick(@modes)
		  : $name =~ /^(mapping|entity_type|association)$/ ? pick(@mappings)
		  : $name eq 'file' ? pick(@files)
		  : $name =~ /^(path|orphans)$/ ? (chance(0.8) ? "$folder/" . pick(@files, 'new.csv') : pick('/dev/null', '/dev/zero', '/proc/self/environ', "$folder/fifo", "$folder/link.csv", "$folder/../x.csv", $folder))
		  : $name eq 'directory' ? (chance(0.8) ? $folder : pick("$folder/out", "$folder/none", '/proc', '/dev', '.'))
		  : $name =~ /^property/ ? pick(@properties)
		  : $name =~ /column|^key$/ ? pick(@columns)
		  : $name eq 'format' ? pick(@formats)
		  : pick(@hostile, @columns, '2024-02-30', '133500000000000000', '20240101120000.0Z', '1;2;3', 'CN=a,OU=b');
		return literal($value) . "::$type";
	}
	if ($type eq 'jsonb')
	{
		my $value = $name eq 'limits' ? limits() : $name eq 'columns' ? columns() : options();
		$value = pick(@hostile, [], [ 1, 2 ], 7, \1) if chance(0.05);
		return defined $value ? literal(json($value)) . '::jsonb' : 'NULL';
	}
	return "'" . pick(@targets) . "'::regclass" if $type eq 'regclass';
	return 'ARRAY[' . join(',', map { literal(chance(0.8) ? pick(@columns) : pick(@hostile, undef)) } 1 .. rand 5) . ']::text[]' if $type eq 'text[]';
	return pick('true', 'false') if $type eq 'boolean';
	return pick("'0'", "'1 day'", "'-1 day'", "'178000000 years'", "'00:00:00.000001'") . '::interval' if $type eq 'interval';
	return pick(qw(0 1 -1 40 2147483647 -2147483648)) if $type eq 'integer';
	# the batch that some status names, if there is one
	return pick('gen_random_uuid()', ("(SELECT batch FROM t.batches WHERE status = '" . pick(qw(prepared blocked applied failed discarded)) . "' ORDER BY random() LIMIT 1)") x 6) if $type eq 'uuid';
	return "NULL::$type";
}

# ---------- calls ----------

my @routines;

sub random_call
{
	return pick('SELECT * FROM syncup.status', 'SELECT * FROM syncup.threshold_check', 'SELECT * FROM syncup.progress', 'SELECT * FROM syncup_changes.a_person',
		'DELETE FROM t.person WHERE random() < 0.1', 'UPDATE t.person SET name = name || 1 WHERE random() < 0.1', 'ALTER TABLE t.person ADD gone timestamptz',
		'ALTER TABLE t.person DROP gone', 'ALTER TABLE t.unit ALTER name TYPE varchar(4) USING NULL', 'TRUNCATE t.member, t.part', 'DISCARD ALL',
		'BEGIN', 'BEGIN ISOLATION LEVEL SERIALIZABLE', 'SAVEPOINT s', 'ROLLBACK TO s', 'COMMIT', 'ROLLBACK', "PREPARE TRANSACTION 'x'", "ROLLBACK PREPARED 'x'",
		'FETCH 1 FROM c', 'CLOSE c') if chance(0.12);
	my $routine = pick(@routines);
	my @arguments;
	foreach my $argument (@{ $routine->{arguments} })
	{
		last if $argument->{optional} && chance(0.4);
		push @arguments, argument($argument->{name}, $argument->{type});
	}
	my $call = "$routine->{name}(" . join(', ', @arguments) . ')';
	return "CALL $call" if $routine->{kind} eq 'p';
	my $from = $routine->{record} ? "$call AS (" . join(', ', map { pick(@columns) . ' ' . pick(qw(text int date boolean bytea t.domain jsonb)) } 1 .. 1 + rand 3) . ')' : $call;
	return chance(0.05) ? "DECLARE c CURSOR WITH HOLD FOR SELECT * FROM $from"
	  : chance(0.05) ? "EXPLAIN SELECT * FROM $from"
	  : "SELECT * FROM $from" . (chance(0.1) ? ' LIMIT 1' : '');
}

# Lines of a session; each is one statement.
sub session
{
	my @lines;
	push @lines, 'SET ROLE operator' if chance(0.3);
	push @lines, pick("SET statement_timeout = " . int(rand 30), "SET work_mem = '64kB'", "SET maintenance_work_mem = '1MB'", "SET search_path = ''",
		"SET search_path = t, public", "SET client_encoding = 'LATIN1'", "SET datestyle = 'German'", "SET default_transaction_isolation = 'repeatable read'",
		"SET standard_conforming_strings = off", "SET client_min_messages = debug1", "SET quote_all_identifiers = on", 'SET default_transaction_read_only = on',
		"SET syncup.keep_changes_for = '1d'", "SET lock_timeout = 1", "SET enable_hashjoin = off") for 1 .. rand 3;
	# so that the calls find something
	push @lines, map { "SELECT $_" } "syncup_create_connector('A', '$folder')", "syncup_create_connector('B', '$folder')",
	  "syncup_map_entity_type('A', 'person', 't.person', 'person.csv', 'id', unique_keys => '{dn}')", "syncup_map_entity_type('A', 'unit', 't.unit', 'unit.csv', 'id')",
	  "syncup_map_association('A', 'member', 'member.csv', 'unit', 'unit.id', 'person', 'person.dn', 't.member', 'unit', 'person')",
	  "syncup_map_association('A', 'head', 'unit.csv', 'id', 'unit.id', 'boss', 'person.id', 't.unit', target_column2 => 'boss')" if chance(0.8);
	push @lines, map { random_call() } 1 .. $calls_per_round;
	return join '', map { "$_;\n" } @lines;
}

# ---------- files ----------

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>:raw', "$folder/$name" or die "$name: $!";
	print $file $content;
	close $file;
	return;
}

sub write_files
{
	my $people = 5 + int rand 60;
	write_file('person.csv', "id,name,dn,boss,hired\n" . join '', map { (chance(0.03) ? 'x' : $_) . ',' . pick('a', 'b', '"c,""d"', '') . ',' . (chance(0.95) ? "d$_" : 'd1') . ',' . int(rand $people) . ",2024-01-0" . (1 + int rand 9) . "\n" } grep { chance(0.9) } 1 .. $people);
	write_file('unit.csv', "id,name,boss\n" . join '', map { "$_,u" . int(rand 3) . ',' . int(rand 40) . "\n" } 1 .. 10);
	write_file('member.csv', "unit,person\n" . join '', map { int(rand 12) . ',d' . int(rand 70) . "\n" } 1 .. 40);
	write_file('changes.csv', "op,id,name\n" . join '', map { pick(qw(insert update delete merge drop)) . ',' . int(rand 70) . ",c\n" } 1 .. 20);
	write_file('junk.csv', join '', map { chance(0.5) ? pick(',', "\n", '"', "\0", "\r", "\xff", 'id', "\xef\xbb\xbf", "\xff\xfe") : chr int rand 256 } 1 .. rand 400);
	return;
}

# ---------- the test ----------

$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE SCHEMA t;
CREATE DOMAIN t.domain AS text CHECK (value <> 'b');
CREATE TABLE t.person (id int PRIMARY KEY, name text, dn text, boss int, hired date, gone timestamptz);
CREATE TABLE t.unit (id int PRIMARY KEY, name text, boss int);
CREATE TABLE t.member (unit int, person int, PRIMARY KEY (unit, person));
CREATE TABLE t.part (id int PRIMARY KEY, name t.domain) PARTITION BY RANGE (id);
CREATE TABLE t.part_1 PARTITION OF t.part FOR VALUES FROM (0) TO (20);
CREATE TABLE t.generated (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, name text GENERATED ALWAYS AS ('x') STORED);
CREATE VIEW t.view AS SELECT * FROM t.person;
CREATE FUNCTION t.fail() RETURNS trigger LANGUAGE plpgsql AS 'BEGIN IF random() < 0.002 THEN RAISE EXCEPTION ''no''; END IF; RETURN coalesce(NEW, OLD); END';
CREATE TRIGGER fail BEFORE INSERT OR UPDATE OR DELETE ON t.person FOR EACH ROW EXECUTE FUNCTION t.fail();
CREATE VIEW t.batches AS SELECT batch, status FROM syncup.batch;
CREATE ROLE operator;
GRANT USAGE ON SCHEMA t, syncup TO operator;
GRANT ALL ON ALL TABLES IN SCHEMA t TO operator;
GRANT EXECUTE ON ALL ROUTINES IN SCHEMA public, syncup TO operator;
ALTER SYSTEM SET syncup.directories = '$folder';
SELECT pg_reload_conf();
SQL
write_file('empty.csv', '');
system_or_bail('mkfifo', "$folder/fifo");
symlink '/etc/passwd', "$folder/link.csv";
mkdir "$folder/out";
open my $gzip, '|-', "gzip > '$folder/big.csv.gz'" or die "gzip: $!";
print $gzip "id,name\n", map { "$_,n\n" } 1 .. 20_000;
close $gzip;

foreach my $row (split /\n/, $node->safe_psql('postgres', <<'SQL'))
SELECT p.oid::regproc, p.prokind, p.prorettype = 'record'::regtype AND p.proargmodes IS NULL,
	(SELECT coalesce(string_agg(p.proargnames[n] || ' ' || format_type(t, NULL) || ' ' || (n > p.pronargs - p.pronargdefaults)::int, ',' ORDER BY n), '')
	 FROM unnest(p.proargtypes) WITH ORDINALITY AS a (t, n))
FROM pg_proc p JOIN pg_depend d ON d.classid = 'pg_proc'::regclass AND d.objid = p.oid AND d.deptype = 'e'
JOIN pg_extension e ON e.oid = d.refobjid AND d.refclassid = 'pg_extension'::regclass
WHERE e.extname = 'syncup' AND NOT 'internal'::regtype = ANY (p.proargtypes)
ORDER BY p.oid::regproc::text
SQL
{
	my ($name, $kind, $record, $arguments) = split /\|/, $row, -1;
	my @arguments = map { my ($n, @t) = split / /; my $o = pop @t; { name => $n, type => "@t", optional => $o } } split /,/, $arguments;
	$name = "public.$name" if $name !~ /\./;
	push @routines, ({ name => $name, kind => $kind, record => $record eq 't', arguments => \@arguments }) x ($name =~ /public|preview/ ? 3 : 1);
}
cmp_ok(scalar @routines, '>', 40, 'there are routines to call');

my ($calls, $errors) = (0, 0);
my $seed = $first_seed;
my $trouble = '';
for (my $end = time + $seconds; time < $end && !$trouble; $seed++)
{
	srand $seed;
	write_files();
	my @sessions = map { my $err = ''; { sql => session(), err => \$err } } 1, 2;
	foreach my $session (@sessions)
	{
		my $in = $session->{sql};
		$session->{run} = IPC::Run::start([ 'psql', '-X', '-q', '-A', '-t', '-v', 'VERBOSITY=verbose', '-d', $node->connstr('postgres'), '-f', '-' ],
			'<', \$in, '>', '/dev/null', '2>', $session->{err}, IPC::Run::timeout(600));
	}
	foreach my $session (@sessions)
	{
		$session->{run}->finish;
		my @statements = split /\n/, $session->{sql};
		$calls += @statements;
		my $failures = () = ${ $session->{err} } =~ /ERROR: /g;
		$errors += $failures;
		while (${ $session->{err} } =~ /^(psql:<stdin>:(\d+): (?:ERROR:  XX00[02]|FATAL|PANIC|WARNING.*leak|server closed|error: ).*)/mg)
		{
			$trouble .= "seed $seed: $1\n$statements[$2 - 1]\n";
		}
		$trouble .= "seed $seed: all that it said:\n" . substr(${ $session->{err} }, 0, 2000) . "\nin\n" . substr($session->{sql}, 0, 1000) if $trouble && $ENV{DEBUG};
		$trouble .= "seed $seed: psql ended with " . ($session->{run}->full_result // 0) . "\n" if $session->{run}->full_result;
	}
	my $log = slurp_file($node->logfile);
	$trouble .= "seed $seed: $1\n" while $log =~ /^(.*(?:PANIC|TRAP:|terminated by signal| leak:|leaked).*)$/mg;
	$node->psql('postgres', "ROLLBACK PREPARED 'x'", stderr => \my $ignored);
}
is($trouble, '', 'no crash, no leak, no internal error');
note "calls $calls, errors $errors, seeds $first_seed to " . ($seed - 1);
append_to_file($ENV{STATE}, "calls $calls, errors $errors\n") if $ENV{STATE};

# What is left can be used, and goes without trace.
is($node->safe_psql('postgres', 'SELECT count(*) >= 0 FROM syncup.status'), 't', 'the status can be read');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_locks WHERE locktype = 'object' AND pid <> pg_backend_pid()"), '0', 'no lock is left');
$node->safe_psql('postgres', 'DROP EXTENSION syncup CASCADE');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE n.nspname ~ '^syncup'"), '0', 'nothing is left');
$node->stop;
done_testing();
