# syncup_suggest: files of every dialect, drawn at random, are proposed a table and a
# mapping that run as they stand, and what is loaded is what the file says.
#
#   SEED=n      begins with the file of that seed (printed on failure)
#   FILES=30    how many
use strict;
use warnings;
use utf8;
use Encode ();
use Time::Local ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $files = $ENV{FILES} // 30;

my $node = PostgreSQL::Test::Cluster->new('suggest');
$node->init(extra => [ '--no-locale', '--encoding=UTF8' ]);
$node->append_conf('postgresql.conf', "fsync = off\nlog_min_messages = fatal\n");
$node->start;
$node->safe_psql('postgres', 'CREATE EXTENSION syncup');
my $folder = PostgreSQL::Test::Utils::tempdir;
chmod 0755, $folder;

sub pick { return $_[ int rand @_ ] }

# ---------- values: what stands in the file, and what the table then holds ----------

sub date_of
{
	my @t = gmtime(86400 * int(rand 20000));
	return ($t[5] + 1900, $t[4] + 1, $t[3]);
}

my @words = ('Ångström', 'Zoë', 'O\'Brien', 'Łukasz', 'Grün', 'Ada', 'Noor', 'de la Cruz', 'Smith', 'Bo');
my %kinds = (
	int => sub { my $n = int(rand 100000); return ($n, $n) },
	zeros => sub { my $n = sprintf '%05d', rand 9999; return ($n, $n) },
	comma => sub { my $n = sprintf '%d.%02d', rand 1000, rand 100; return ($n =~ s/\./,/r, $n) },
	groups => sub { my ($a, $b) = (1 + int(rand 999), sprintf '%03d', rand 1000); return ("$a.$b,50", "$a$b.50") },
	guid => sub { my $g = join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12; return (pick(uc $g, $g, "{$g}"), $g) },
	iso => sub { my $d = sprintf '%04d-%02d-%02d', date_of(); return ($d, $d) },
	dmy => sub { my @d = date_of(); return (sprintf('%02d.%02d.%04d', @d[2, 1, 0]), sprintf('%04d-%02d-%02d', @d)) },
	mdy => sub { my @d = date_of(); return (sprintf('%d/%d/%04d', @d[1, 2, 0]), sprintf('%04d-%02d-%02d', @d)) },
	zulu => sub { my @d = date_of(); return (sprintf('%04d%02d%02d083000.0Z', @d), sprintf('%04d-%02d-%02d 08:30:00+00', @d)) },
	filetime => sub { my @d = date_of(); my $s = Time::Local::timegm(0, 0, 0, $d[2], $d[1] - 1, $d[0]);
		return (($s + 11644473600) . '0000000', sprintf('%04d-%02d-%02d 00:00:00+00', @d)) },
	flag => sub { my $f = rand() < .5; return ($f ? 'yes' : 'no', $f ? 'true' : 'false') },
	list => sub { my @l = map { pick('smtp:', 'SMTP:') . pick('a', 'b', 'c') . '@example.org' } 1 .. 1 + int rand 3; return (join(';', @l), '{' . join(',', @l) . '}') },
	text => sub { my $w = join ' ', map { pick(@words) } 1 .. 1 + int rand 3; return ($w, $w) },
	hard => sub { my $w = pick(@words) . pick(', ', '; ', ' "so" ', "\n", ' | ', "\t") . pick(@words); return ($w, $w) },
);

# ---------- a file ----------

sub field
{
	my ($value, $d) = @_;
	return '' if !defined $value;
	my $q = $d->{quote};
	return $value if !$d->{all_quoted} && $value !~ /[\Q$d->{delimiter}$q\E\n\r]/ && $value ne '' && $value !~ /^ | $/;
	return $q . ($value =~ s/\Q$q\E/$q$q/gr) . $q;
}

sub draw
{
	my %d = (
		delimiter => pick(',', ';', "\t", '|', '||', '^'),
		quote => '"',
		all_quoted => rand() < .3,
		end => pick("\n", "\r\n"),
		encoding => pick('UTF-8', 'UTF-8', 'cp1252', 'UTF-16LE'),
		skip => rand() < .2 ? 1 + int rand 2 : 0,
		trailer => rand() < .2,
		header => rand() > .1,
	);
	$d{bom} = $d{encoding} eq 'UTF-16LE' ? rand() < .7 : $d{encoding} eq 'UTF-8' && rand() < .3;
	$d{kinds} = [ 'key', map { pick(sort keys %kinds) } 1 .. 3 + int rand 8 ];
	$d{names} = [ pick('id', 'objectGUID', 'person_no', 'EmployeeID'), map { pick('Col', 'feld ', 'x-') . $_ } 1 .. $#{ $d{kinds} } ];
	my $key_kind = $d{names}[0] eq 'objectGUID' ? 'guid' : 'int';
	my %seen;
	for my $n (0 .. 29 + int rand 40)
	{
		my (@source, @value);
		for my $kind (@{ $d{kinds} })
		{
			my ($s, $v) = $kinds{ $kind eq 'key' ? $key_kind : $kind }->();
			($s, $v) = $key_kind eq 'int' ? (1000 + $n, 1000 + $n) : ($s, $v) if $kind eq 'key';
			# cells may be empty, but for the key and the first rows, which tell the kind
			($s, $v) = (undef, undef) if $kind ne 'key' && $n > 24 && rand() < .2;
			if ($d{encoding} eq 'cp1252' && defined $s) { tr/Ł/L/ for $s, $v }
			push @source, $s;
			push @value, $v;
		}
		push @{ $d{rows} }, [@value];
		push @{ $d{lines} }, join $d{delimiter}, map { field($_, \%d) } @source;
	}
	return \%d;
}

sub write_file
{
	my ($d, $name) = @_;
	my @lines = (map({ "Export of people, page $_" } 1 .. $d->{skip}),
		$d->{header} ? join($d->{delimiter}, map { field($_, $d) } @{ $d->{names} }) : (),
		@{ $d->{lines} }, $d->{trailer} ? 'TRAILER ' . @{ $d->{lines} } : ());
	my $text = join '', map { s/\n/$d->{end}/gr . $d->{end} } @lines;
	open my $file, '>:raw', "$folder/$name" or die "$name: $!";
	print $file Encode::encode($d->{encoding}, ($d->{bom} ? "\x{feff}" : '') . $text);
	close $file;
}

# ---------- what becomes of it ----------

sub loaded
{
	my ($table) = @_;
	# the columns in their order, nulls told from texts
	my $columns = $node->safe_psql('postgres', "SELECT string_agg(format('coalesce(%I::text, chr(1))', attname), ' || chr(2) || ' ORDER BY attnum)
		FROM pg_attribute WHERE attrelid = '$table'::regclass AND attnum > 0");
	return $node->safe_psql('postgres', "SET timezone = 'UTC'; SET datestyle = 'ISO, YMD';
		SELECT string_agg(encode(convert_to($columns, 'UTF8'), 'hex'), ' ' ORDER BY encode(convert_to($columns, 'UTF8'), 'hex')) FROM $table");
}

my @wrong;
for my $n (1 .. $files)
{
	my $seed = $first_seed + $n - 1;
	srand $seed;
	my $d = draw();
	write_file($d, "f$n.csv");
	my ($code, $proposal, $error) = $node->psql('postgres', "SELECT syncup_suggest('$folder/f$n.csv', 't$n')");
	if ($code != 0) { push @wrong, "seed $seed: no proposal: $error"; next }
	my ($run, $answer, $message) = $node->psql('postgres', $proposal);
	if ($run != 0 || $answer !~ /^applied\|/m) { push @wrong, "seed $seed: $answer $message\n$proposal"; next }
	my $line_end = $d->{end};
	my $expected = join ' ', sort map {
		unpack 'H*', Encode::encode('UTF-8', join "\x02", map { defined $_ ? s/\n/$line_end/gr : "\x01" } @$_)
	} @{ $d->{rows} };
	my $got = loaded("t$n");
	next if $got eq $expected;
	my %other = map { $_ => 1 } split / /, $got;
	my ($missing) = grep { !$other{$_} } split / /, $expected;
	my %same = map { $_ => 1 } split / /, $expected;
	my ($more) = grep { !$same{$_} } split / /, $got;
	push @wrong, join "\n", "seed $seed: other values", map({ pack('H*', $_ // '') =~ tr/\x01\x02/~|/r } $missing, $more), $proposal;
}
is(join("\n", @wrong), '', "$files files from seed $first_seed: what is proposed runs, and loads what the file says");

# What is there of a column is counted.
my $sample = draw();
write_file($sample, 'sample.csv');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup_csv_sample('$folder/sample.csv')"), scalar @{ $sample->{kinds} }, 'a sample has a row per column');

$node->stop;
done_testing();
