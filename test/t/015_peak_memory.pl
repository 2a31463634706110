# How much memory a server process takes at most (VmHWM): it follows settings, not what
# the files hold. A row of thousands of pairs stands once, also in quarantine; rows of a
# megabyte are fetched some at a time; a resume does not collect its rows.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

plan skip_all => 'there is no /proc' if !-r '/proc/self/status';
my $node = PostgreSQL::Test::Cluster->new('peak');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "shared_buffers = 8MB\nwork_mem = 4MB\nmaintenance_work_mem = 16MB\njit = off\nmax_parallel_workers_per_gather = 0\nfsync = off\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$dir/$name: $!";
	print $file $content;
	close $file or die "$dir/$name: $!";
	return;
}

# Runs statements in a session of their own. Result: what they print, and its peak in MB.
sub peak
{
	my ($sql) = @_;
	my $out = $node->safe_psql('postgres', "SET client_min_messages = warning;\n$sql;\n"
		  . "SELECT 'peak', (regexp_match(pg_read_file('/proc/' || pg_backend_pid() || '/status'), 'VmHWM:\\s+(\\d+) kB'))[1]::int / 1024");
	my ($peak) = $out =~ /^peak\|(\d+)$/m;
	$out =~ s/^peak\|.*$//m;
	chomp $out;
	return ($out, $peak);
}

my $pairs = 3000;
write_file('usr.csv', join '', "id\n", map { "user-of-a-long-name-$_\n" } 1 .. $pairs);
write_file('grp.csv', "id\ng\n");
write_file('member.csv', "cmd,grp,usr\n,g,\n");
write_file('big.csv', join '', "id,v\n", map { "$_," . ('x' x 1_000_000) . "\n" } 1 .. 120);
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE usr (id text PRIMARY KEY);
CREATE TABLE grp (id text PRIMARY KEY);
CREATE TABLE member (grp text, usr text, PRIMARY KEY (grp, usr));
CREATE TABLE big (id int PRIMARY KEY, v text);
CREATE TABLE many (id int PRIMARY KEY, v text);
SELECT syncup_create_connector(c, '$dir') FROM unnest('{L,B,M}'::text[]) c;
SELECT syncup_map_entity_type('L', 'usr', 'usr', 'usr.csv', 'id');
SELECT syncup_map_entity_type('L', 'grp', 'grp', 'grp.csv', 'id');
SELECT syncup_map_association('L', 'member', 'member.csv', 'grp', 'grp.id', 'usr', 'usr.id', 'member', 'grp', 'usr', '{"split": ";", "command_column": "cmd", "on_error": "quarantine"}');
SELECT syncup_map_entity_type('B', 'big', 'big', 'big.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_map_entity_type('M', 'many', 'many', 'many.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds(c, (SELECT jsonb_object_agg(name, 0) FROM syncup.threshold_limit)) FROM unnest('{L,B,M}'::text[]) c;
CALL syncup_run('L', 'initial');
SQL

my (undef, $least) = peak('SELECT count(*) FROM syncup.batch');

# ---------- a row of many pairs ----------

write_file('member.csv', 'cmd,grp,usr' . "\nmerge,g,\"" . join(';', map { "user-of-a-long-name-$_" } 1 .. $pairs) . "\"\n");
my ($out, $peak) = peak("SELECT syncup_prepare('L', 'incremental') IS NOT NULL; SELECT status, links_inserted FROM syncup_synchronize('L')");
is($out, "t\napplied|$pairs", 'a file of changes with a row of many pairs');
cmp_ok($peak, '<', $least + 60, "does not take a row's bytes for each of them");

# of no known user: an update of a pair that is not there is set aside
write_file('member.csv', 'cmd,grp,usr' . "\nupdate,g,\"" . join(';', map { "somebody-whom-nobody-knows-$_" } 1 .. $pairs) . "\"\nmerge,g,user-of-a-long-name-1\n");
($out, $peak) = peak("SELECT syncup_prepare('L', 'incremental') IS NOT NULL; SELECT rejected, (SELECT count(*) || ' ' || count(raw) FROM syncup.quarantine q WHERE q.batch = c.batch) FROM syncup.batch_counter c JOIN syncup.batch b USING (batch) WHERE mapping = 'member' AND status = 'prepared'");
is($out, "t\n$pairs|$pairs 1", 'set aside they have their row once');
cmp_ok($peak, '<', $least + 60, 'and no more is held in memory');

# ---------- rows of a megabyte ----------

($out, $peak) = peak("SELECT syncup_prepare('B', 'complete') IS NOT NULL");
cmp_ok($peak, '<', $least + 60, 'rows of a megabyte are prepared one by one');
($out, $peak) = peak("SELECT status, inserted FROM syncup_synchronize('B')");
is($out, 'applied|120', 'they are inserted');
cmp_ok($peak, '<', $least + 100, 'some at a time');
$node->safe_psql('postgres', "UPDATE big SET v = 'short'");
$node->safe_psql('postgres', "SELECT syncup_prepare('B', 'complete')");
($out, $peak) = peak("SELECT status, updated FROM syncup_synchronize('B')");
is($out, 'applied|120', 'they are written over');
cmp_ok($peak, '<', $least + 100, 'some at a time');

# ---------- a review of many rows ----------

sub resume_peak
{
	my ($rows, $letter) = @_;
	write_file('many.csv', join '', "id,v\n", map { "$_,$letter\n" } 1 .. $rows);
	$node->safe_psql('postgres', "SELECT syncup_set_thresholds('M', '{\"maximum_updated_lines\": 1}'); SELECT syncup_prepare('M', 'complete')");
	$node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('M')");
	($out, $peak) = peak("SELECT status, inserted + updated FROM syncup_resume('M')");
	return $peak;
}
write_file('many.csv', join '', "id,v\n", map { "$_,a\n" } 1 .. 150_000);
$node->safe_psql('postgres', "CALL syncup_run('M', 'initial')");
my $some = resume_peak(150_000, 'b');
is($out, 'applied|150000', 'a batch of many rows is resumed');
cmp_ok($some, '<', $least + 60, 'and does not collect them');

# ---------- a file that was sent in large parts ----------

my $sent = $node->safe_psql('postgres', <<SQL);
SELECT syncup_open_session('B');
SELECT lo_import('$dir/big.csv', 4711);
SQL
$sent =~ s/\n.*//s;
($out, $peak) = peak("SELECT syncup_upload('$sent', 'big.csv', 4711::oid)");
cmp_ok($peak, '<', $least + 60, 'a large object is sent some at a time');
$node->safe_psql('postgres', "SELECT syncup_upload('$sent', 'big.csv', 1 + (part - 1) / 60, string_agg(content, ''::bytea ORDER BY part)) FROM syncup.upload_part GROUP BY (part - 1) / 60;
	DELETE FROM syncup.upload_part WHERE part > 2; UPDATE syncup.upload_file SET parts = 2");
($out, $peak) = peak("SELECT syncup_prepare('B', 'complete', '{\"session\": \"$sent\"}') IS NOT NULL");
is($out, 't', 'parts of 60 MB');
cmp_ok($peak, '<', $least + 60, 'are read piece by piece');
is($node->safe_psql('postgres', "SELECT syncup_discard(batch), rows_read FROM syncup.batch_counter JOIN syncup.batch USING (batch) WHERE connector = 'B' AND status = 'prepared'"), '|120', 'and whole');

$node->stop;
done_testing();
