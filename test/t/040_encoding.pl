# Files in any encoding, read in databases that are not UTF8.
use strict;
use warnings;
use utf8;
use Encode;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('encoding');
$node->init(extra => [ '--locale', 'C', '--encoding', 'UTF8' ]);
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
my %perl_name = (UTF8 => 'UTF-8', LATIN1 => 'iso-8859-1', LATIN9 => 'iso-8859-15', WIN1252 => 'cp1252', UTF16LE => 'UTF-16LE', SJIS => 'cp932', EUC_JP => 'euc-jp', SQL_ASCII => 'UTF-8');

sub write_file
{
	my ($name, $content, $encoding) = @_;
	open my $file, '>:raw', "$dir/$name" or die "$name: $!";
	print $file encode($perl_name{$encoding}, $content, Encode::FB_CROAK);
	close $file;
}

# Reads a file, and gives what the database then holds, or the error.
sub value
{
	my ($database, $options) = @_;
	my ($status, $out, $err) = $node->psql($database,
		"SELECT string_agg(encode(convert_to(v, 'UTF8'), 'hex'), ' ') FROM syncup_read_csv('$dir/f.csv', '$options') AS (id int, v text)");
	return $status == 0 ? $out : $err;
}

sub hex_of { return unpack 'H*', encode('UTF-8', $_[0]); }

for my $database ('LATIN1', 'LATIN9', 'WIN1252', 'EUC_JP')
{
	$node->safe_psql('postgres', "CREATE DATABASE db_\L$database\E ENCODING '$database' LOCALE 'C' TEMPLATE template0");
	my $db = lc "db_$database";
	$node->safe_psql($db, 'CREATE EXTENSION syncup');
	is($node->safe_psql($db, "SELECT syncup.shorten('abcdefghij', 8)"), 'abcde...', "$database: reports shorten");
	my $text = $database eq 'EUC_JP' ? '表示' : 'Ärger ÿ';
	for my $encoding ('UTF8', 'UTF16LE', $database, $database eq 'EUC_JP' ? 'SJIS' : ())
	{
		write_file('f.csv', qq{id,v\n1,"$text"\n2,plain\n}, $encoding);
		is(value($db, qq({"encoding": "$encoding"})), hex_of($text) . ' ' . hex_of('plain'), "$encoding into $database");
	}
	# The server's conversions are all there is.
	like(value($db, '{"encoding": "KOI8R"}'), qr/there is no conversion from encoding "KOI8R" to the database's "$database"/, "KOI8R into $database");
	# A character that the database does not know is no value, and no question mark.
	write_file('f.csv', "id,v\n1,ok\n2,☃\n", 'UTF8');
	like(value($db, '{}'), qr/invalid in encoding UTF8, or unknown to the database's $database.*line 3, column "v"/s, "unknown to $database");
	is(value($db, '{"on_error": "quarantine"}'), hex_of('ok'), "left out of $database");
	# A row of which nobody asks for that column is read.
	is($node->safe_psql($db, "SELECT count(*) FROM syncup_read_csv('$dir/f.csv') AS (id int)"), '2', "not asked for in $database");

	# A whole run.
	write_file('f.csv', "id,v\n1,$text\n2,b\n2,$text\n", 'UTF8');
	is($node->safe_psql($db, <<SQL), "applied\n" . hex_of($text) . "\n" . hex_of("2,$text"), "a run in $database");
CREATE TABLE target (id int PRIMARY KEY, v text);
DO \$\$ BEGIN
	PERFORM syncup_create_connector('C', '$dir');
	PERFORM syncup_map_entity_type('C', 'm', 'target', 'f.csv', 'id', '{"id": "id", "v": "v"}');
	PERFORM syncup_prepare('C', 'initial');
END \$\$;
SELECT status FROM syncup_synchronize('C');
SELECT encode(convert_to(v, 'UTF8'), 'hex') FROM target WHERE id = 1;
SELECT encode(convert_to(raw, 'UTF8'), 'hex') FROM syncup.quarantine;
SQL
}

# Letters of ASCII are found in any encoding.
is($node->safe_psql('db_latin1', "SET client_encoding = 'UTF8'; SELECT syncup_format(U&'\\00c4rger M\\00fcller \\00d8', 'ascii')"), 'Aerger Mueller O', 'LATIN1: ascii');

# Without an encoding the database takes bytes as they are.
$node->safe_psql('postgres', "CREATE DATABASE db_ascii ENCODING 'SQL_ASCII' LOCALE 'C' TEMPLATE template0");
$node->safe_psql('db_ascii', 'CREATE EXTENSION syncup');
write_file('f.csv', "id,v\n1,ä\n", 'LATIN1');
is($node->safe_psql('db_ascii', "SELECT encode(v::bytea, 'hex') FROM syncup_read_csv('$dir/f.csv', '{\"encoding\": \"LATIN1\"}') AS (v text)"), 'e4', 'SQL_ASCII');

$node->stop;
done_testing();
