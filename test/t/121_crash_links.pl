# Links and kills: "kill -9" of a backend or of every process while links, and what they
# lead to, are prepared, synchronized, resumed and undone. What a statement would make
# of every table is looked at before, in a transaction that is rolled back: after the
# kill, everything is as before or as that.
#
#   SEED=n       of what happens (printed)
#   KILLS=6      as many
use strict;
use warnings;
use FindBin;
use lib "$FindBin::RealBin/../oracle";
use Crash;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $seed = $ENV{SEED} // int(rand 1_000_000_000);
my $wanted = $ENV{KILLS} // 6;
srand $seed;
note "SEED=$seed";

my $node = PostgreSQL::Test::Cluster->new('crash_links');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nautovacuum = off\nstatement_timeout = '60s'\n");
my $crash = Crash->new($node);
$node->start;
my $folder = PostgreSQL::Test::Utils::tempdir;
my $has_places = $crash->knows_places;

sub pick { return $_[ int rand @_ ] }

sub sql { return $node->safe_psql('postgres', @_) }

sub write_file
{
	my ($name, @lines) = @_;
	open my $file, '>', "$folder/$name" or die "$name: $!";
	print $file map { "$_\n" } @lines;
	close $file or die "$name: $!";
	return;
}

# Users with managers, groups, and members of which some are not there.
sub export_files
{
	my @users = grep { rand() < 0.8 } 1 .. 40;
	write_file('users.csv', 'uid,dn,manager', map { "$_,u$_," . pick('', map { "u$_" } 1 .. 40) } @users);
	write_file('groups.csv', 'gid,dn', map { "g$_,cn$_" } grep { rand() < 0.8 } 1 .. 10);
	my %pairs = map { 'cn' . int(rand 10) . ',u' . int(rand 40) => 1 } 1 .. 60;
	write_file('members.csv', 'group,member', sort keys %pairs);
	return;
}

export_files();
sql(<<SQL);
CREATE EXTENSION syncup;
CREATE SCHEMA target;
CREATE TABLE target.users (uid int PRIMARY KEY, manager int REFERENCES target.users DEFERRABLE);
CREATE TABLE target.groups (gid text PRIMARY KEY);
CREATE TABLE target.members (grp text REFERENCES target.groups, member int REFERENCES target.users, PRIMARY KEY (grp, member));
SELECT syncup_create_connector('A', '$folder');
SELECT syncup_map_entity_type('A', 'user', 'target.users', 'users.csv', 'uid', '{"uid": "uid"}', '{dn}');
SELECT syncup_map_entity_type('A', 'group', 'target.groups', 'groups.csv', 'gid', '{"gid": "gid"}', '{dn}');
SELECT syncup_map_association('A', 'manager', 'users.csv', 'uid', 'user.uid', 'manager', 'user.dn', 'target.users', target_column2 => 'manager');
SELECT syncup_map_association('A', 'members', 'members.csv', 'group', 'group.dn', 'member', 'user.dn', 'target.members', 'grp', 'member');
SELECT syncup_set_thresholds('A', '{"maximum_link_inserted_lines": 1, "maximum_updated_lines": 0, "maximum_inserted_lines": 0, "maximum_deleted_lines": 0}');
CALL syncup_run('A', 'initial');

-- every table, without the names of batches and the times of day
CREATE FUNCTION state() RETURNS text LANGUAGE plpgsql AS \$\$
DECLARE
	place regclass;
	digest text;
	result text := '';
BEGIN
	FOR place IN SELECT oid FROM pg_class WHERE relkind = 'r' AND relnamespace::regnamespace::text IN ('syncup', 'syncup_previous', 'syncup_delta', 'syncup_changes', 'target') ORDER BY oid
	LOOP
		EXECUTE format('SELECT md5(string_agg(r, chr(10) ORDER BY r COLLATE "C")) FROM (SELECT (to_jsonb(t)
			- ''{batch,seq,seen,complete_after,reason,prepared_at,synchronized_at,decided_at}''::text[])::text FROM %s t) AS s (r)', place) INTO digest;
		result := result || format('%s=%s ', place, digest);
	END LOOP;
	RETURN result;
END
\$\$;
SQL

# By what the links differ from those that the files of the last run tell of.
my $differences = <<SQL;
CREATE TEMP TABLE u (uid int, dn text, manager text); COPY u FROM '$folder/users.csv' CSV HEADER;
CREATE TEMP TABLE g (gid text, dn text); COPY g FROM '$folder/groups.csv' CSV HEADER;
CREATE TEMP TABLE m (grp text, member text); COPY m FROM '$folder/members.csv' CSV HEADER;
WITH stored AS (SELECT 'member', grp, member FROM target.members UNION ALL SELECT 'manager', uid::text, manager FROM target.users),
	expected AS (SELECT 'member', g.gid, u.uid FROM m JOIN g ON g.dn = m.grp JOIN u ON u.dn = m.member UNION ALL SELECT 'manager', u.uid::text, b.uid FROM u LEFT JOIN u b ON b.dn = u.manager)
(TABLE stored EXCEPT ALL TABLE expected) UNION ALL (TABLE expected EXCEPT ALL TABLE stored)
SQL

my @applying = ('building changes', 'changes built', 'applying changes', 'changes applied', 'previous written', 'rows forgotten', 'before commit', 'after commit');
my %places = (
	syncup_prepare => [ 'batch queued', 'file read', 'batch prepared', 'before commit' ],
	syncup_synchronize => \@applying,
	syncup_resume => [ 'resume reviewed', @applying[ 2 .. 7 ], 'batch resumed' ],
	syncup_undo => [ 'undo reviewed', 'applying changes', 'changes applied', 'changes taken back', 'before commit', 'after commit' ]);

# Brings the connector to where the function has something to do. Result: the call.
sub arrange
{
	my ($function) = @_;
	export_files();
	return "SELECT syncup_prepare('A', 'complete')" if $function eq 'syncup_prepare';
	my $batch = sql("SELECT syncup_prepare('A', 'complete')");
	return "SELECT status FROM syncup_synchronize('A', force => true, keep_changes => true)" if $function eq 'syncup_synchronize';
	if ($function eq 'syncup_resume')
	{
		is(sql("SELECT status FROM syncup_synchronize('A', keep_changes => true)"), 'blocked', 'a batch is blocked');
		return "SELECT status FROM syncup_resume('$batch')";
	}
	sql("SELECT status FROM syncup_synchronize('A', force => true, keep_changes => true)");
	return "SELECT syncup_undo('$batch')";
}

my $kills = 0;
my %outcomes;
for (my $n = 0; $kills < $wanted && $n < 5 * $wanted; $n++)
{
	my $function = (sort keys %places)[ $n % keys %places ];
	my $statement = arrange($function);
	my $plan = { server => int rand 2 };
	if ($has_places && rand() < 0.8)
	{
		$plan->{place} = pick(@{ $places{$function} });
		$plan->{passing} = $plan->{place} =~ /appl|buil|previous/ ? 1 + int rand 4 : 1;
	}
	else { $plan->{delay} = rand 0.1 }
	my $what = "$function, " . Crash::describe($plan);
	my $before = sql('SELECT state()');
	my $after = (split /\n/, sql("BEGIN; $statement; SELECT state(); ROLLBACK"))[-1];
	my ($hit, $succeeded) = $crash->run_and_kill($statement, $plan);
	my $now = sql('SELECT state()');
	my $is = $now eq $before && !$succeeded ? 'before' : $now eq $after ? 'after' : 'neither';
	isnt($is, 'neither', "$what: the state is the one before or after") or diag "before $before\nafter $after\nnow $now";
	is($crash->leftovers, '', "$what: nothing is left behind");
	$kills++ if $hit;
	$outcomes{$is}++ if $hit;

	# the connector goes on
	sql("CALL syncup_run('A', 'complete', force => true, keep_changes => true)");
	is(sql($differences), '', "$what: then the links are what the files say");
}
note "$kills kills: ", join ', ', map { "$outcomes{$_} left the state $_" } sort keys %outcomes;
cmp_ok($kills, '>=', $wanted, 'as many kills as wanted');
$node->stop;
done_testing();
