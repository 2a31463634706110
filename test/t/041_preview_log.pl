# A preview that cannot go on because a batch ahead fails does not write that batch's
# values to the server's log, at its default settings (SPEC 3).
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('preview_log');
$node->init;
$node->append_conf('postgresql.conf', "log_statement = none\nlog_min_messages = warning\nlog_min_error_statement = error\nlog_error_verbosity = default\n");
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($content) = @_;
	open my $file, '>', "$dir/p.csv" or die "p.csv: $!";
	print $file $content;
	close $file;
}

write_file("id,v\n1,a\n");
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE p (id int PRIMARY KEY, v text CONSTRAINT good CHECK (v <> 'Xyzzy'));
SELECT syncup_create_connector('HR', '$dir');
SELECT syncup_map_entity_type('HR', 'p', 'p', 'p.csv', 'id', '{"id": "id", "v": "v"}');
SELECT syncup_set_thresholds('HR', '{"max_percentage_updated_lines": 0}');
SELECT syncup_prepare('HR', 'initial');
SELECT * FROM syncup_synchronize('HR');
SQL
write_file("id,v\n1,Xyzzy\n");
$node->safe_psql('postgres', "SELECT syncup_prepare('HR', 'incremental')");
write_file("id,v\n1,b\n");
my ($status, $stdout, $stderr) = $node->psql('postgres', "SELECT * FROM syncup_preview('HR', 'incremental')");
isnt($status, 0, 'the batch ahead fails, so the preview does');
my $log = slurp_file($node->logfile);
like($log, qr/ERROR/, 'the log has the error');
unlike($log, qr/Xyzzy/, 'the log has no value');
is($node->safe_psql('postgres', "SELECT status FROM syncup_synchronize('HR')"), 'failed', 'the run would have failed, too');

$node->stop('fast');
done_testing();
