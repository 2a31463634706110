# A publication of all tables stops nothing: every table of ours that rows are
# updated in or deleted from has a replica identity, those of mappings too, and a
# logical subscriber follows every kind of run.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $publisher = PostgreSQL::Test::Cluster->new('publisher');
$publisher->init(allows_streaming => 'logical');
$publisher->start;
my $subscriber = PostgreSQL::Test::Cluster->new('subscriber');
$subscriber->init;
$subscriber->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

sub rows { my ($last, $value) = @_; return join '', map { "$_,$value$_\n" } 1 .. $last; }

# Tables of ours whose rows could not be updated under the publication.
my $unidentified = <<'SQL';
SELECT string_agg(c.oid::regclass::text, ' ' ORDER BY c.oid::regclass::text) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE n.nspname LIKE 'syncup%' AND c.relkind = 'r' AND c.relreplident <> 'f'
AND NOT (c.relreplident = 'd' AND EXISTS (SELECT FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary))
SQL

write_file('p.csv', "id,name\n" . rows(40, 'n'));
write_file('l.csv', "a,b\n" . join('', map { "$_,1\n" } 1 .. 20) . "7,none\n");
$publisher->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE p (id int PRIMARY KEY, name text);
CREATE TABLE l (a int, b int, PRIMARY KEY (a, b));
CREATE PUBLICATION every_table FOR ALL TABLES;
SELECT syncup_create_connector('P', '$dir', '{"on_error": "quarantine"}');
SELECT syncup_map_entity_type('P', 'p', 'p', 'p.csv', 'id', '{"id": "id", "name": "name"}', options => '{"incremental_file": "c.csv", "command_column": "op"}');
SELECT syncup_map_association('P', 'l', 'l.csv', 'a', 'p.id', 'b', 'p.id', 'l', 'a', 'b');
SQL
is($publisher->safe_psql('postgres', $unidentified), '', 'every table of ours has a replica identity');

# The subscriber has the same tables; what its installation put into them goes.
system_or_bail('sh', '-c', "'" . $publisher->config_data('--bindir') . "/pg_dump' --schema-only --no-publications -d '" . $publisher->connstr . " dbname=postgres' -f '$dir/schema.sql'");
$subscriber->safe_psql('postgres', slurp_file("$dir/schema.sql"));
$subscriber->safe_psql('postgres', q{DO $$ BEGIN EXECUTE (SELECT 'TRUNCATE ' || string_agg(oid::regclass::text, ', ') FROM pg_class WHERE relnamespace = 'syncup'::regnamespace AND relkind = 'r'); END $$});
$subscriber->safe_psql('postgres', "CREATE SUBSCRIPTION follower CONNECTION '" . $publisher->connstr . " dbname=postgres' PUBLICATION every_table");
$subscriber->wait_for_subscription_sync($publisher, 'follower') if $subscriber->can('wait_for_subscription_sync');
$subscriber->poll_query_until('postgres', "SELECT count(*) = 0 FROM pg_subscription_rel WHERE srsubstate NOT IN ('r', 's')") or die 'subscription';

# All our tables and the targets, as text; a table's rows in any order.
sub content
{
	my ($node) = @_;
	return $node->safe_psql('postgres', <<'SQL');
SELECT c.oid::regclass, (xpath('/row/n/text()', query_to_xml('SELECT count(*) || '' '' || coalesce(md5(string_agg(t::text, '','' ORDER BY t::text COLLATE "C")), '''') AS n FROM ' || c.oid::regclass || ' t', false, true, '')))[1]
FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
WHERE c.relkind = 'r' AND (n.nspname LIKE 'syncup%' OR n.nspname = 'public') ORDER BY c.oid::regclass::text COLLATE "C"
SQL
}

sub follows
{
	my ($what, $sql, $status) = @_;
	$publisher->safe_psql('postgres', $_) for ref $sql ? @$sql : $sql;
	is($publisher->safe_psql('postgres', 'SELECT status FROM syncup.batch ORDER BY seq DESC LIMIT 1'), $status, $what) if $status;
	$publisher->wait_for_catchup('follower');
	is(content($subscriber), content($publisher), "$what: the subscriber has it all");
}

my $blocked = "(SELECT batch FROM syncup.batch WHERE status = 'blocked')";
follows('initial', "CALL syncup_run('P', 'initial')", 'applied');
write_file('p.csv', "id,name\n" . rows(39, 'm') . "1,twice\n");
write_file('l.csv', "a,b\n" . join('', map { "$_,1\n" } 1 .. 15));
follows('blocked', "CALL syncup_run('P', 'complete')", 'blocked');
follows('discard', "SELECT syncup_discard($blocked)", 'discarded');
follows('complete', "CALL syncup_run('P', 'complete', force => true, keep_changes => true)", 'applied');
follows('undo', "SELECT syncup_undo((SELECT batch FROM syncup.batch ORDER BY seq DESC LIMIT 1))", 'applied');
follows('blocked again', "CALL syncup_run('P', 'complete')", 'blocked');
follows('resume', "SELECT syncup_resume($blocked)", 'applied');
write_file('c.csv', "op,id,name\nupdate,1,one\ndelete,2,\nadd,50,fifty\nupdate,99,nobody\n");
follows('incremental', "CALL syncup_run('P', 'incremental', force => true)", 'applied');
follows('limits', [ map { "SELECT syncup_set_thresholds('P', '{\"maximum_deleted_lines\": $_}', 'p')" } 5, 6, 0 ]);
follows('purge', "SELECT syncup_purge('0')");
$publisher->safe_psql('postgres', "SELECT syncup_drop_mapping('P', 'l')");
$publisher->wait_for_catchup('follower');
$subscriber->safe_psql('postgres', 'DROP TABLE syncup_previous.p_l, syncup_delta.p_l, syncup_changes.p_l');
follows('drop', []);
is($publisher->safe_psql('postgres', "SELECT string_agg(id || ' ' || name, ',' ORDER BY id) FROM p WHERE id IN (1, 2, 3, 40, 50)"), '1 one,3 m3,50 fifty', 'the target is right');

# What a dump of tables without a replica identity brings gets one from the next run.
$publisher->safe_psql('postgres', <<'SQL');
DROP PUBLICATION every_table;
ALTER TABLE syncup_delta.p_p REPLICA IDENTITY DEFAULT;
ALTER TABLE syncup_changes.p_p REPLICA IDENTITY DEFAULT;
DELETE FROM pg_depend WHERE classid = 'pg_class'::regclass AND objid IN ('syncup_delta.p_p'::regclass, 'syncup_changes.p_p'::regclass) AND refclassid = 'pg_extension'::regclass;
CALL syncup_run('P', 'complete', force => true);
SQL
is($publisher->safe_psql('postgres', $unidentified), '', 'restored tables get a replica identity');

done_testing;
