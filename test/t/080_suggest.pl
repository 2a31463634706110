# syncup_suggest: files of every dialect, drawn at random, are proposed a table and a
# mapping that run as they stand, and what is loaded is what the file says. So are
# folders of files that refer to each other.
#
#   SEED=n      begins with the file of that seed (printed)
#   FILES=30    how many; a fifth as many folders
#   FOLDERS="…" folders to propose for and to load, instead of the demo's
use strict;
use warnings;
use utf8;
use Encode ();
use IO::Compress::Gzip ();
use IO::Uncompress::Gunzip ();
use MIME::Base64 ();
use Time::Local ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $first_seed = $ENV{SEED} // int(rand 1_000_000_000);
my $files = $ENV{FILES} // 30;
diag("SEED=$first_seed");

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

sub stamp { my ($format, @fields) = @_; return sprintf $format, @fields }

my @words = ('Ångström', 'Zoë', 'O\'Brien', 'Łukasz', 'Grün', 'Ada', 'Noor', 'de la Cruz', 'Smith', 'Bo');
my %kinds = (
	int => sub { my $n = int(rand 100000); return ($n, $n) },
	large => sub { my $n = int(1e11 + rand 8e11); return ($n, $n) },
	zeros => sub { my $n = sprintf '%05d', rand 9999; return ($n, $n) },
	comma => sub { my $n = sprintf '%s%d.%02d', pick('', '', '-'), rand 1000, rand 100; return ($n =~ s/\./,/r, $n) },
	groups => sub { my ($a, $b) = (1 + int(rand 999), sprintf '%03d', rand 1000); return ("$a.$b,50", "$a$b.50") },
	thousands => sub { my ($a, $b) = (1 + int(rand 999), sprintf '%03d', rand 1000); return ("$a,$b.50", "$a$b.50") },
	guid => sub { my $g = guid(); return (pick(uc $g, $g, "{$g}"), $g) },
	guid64 => sub { my $g = guid(); my @p = split /-/, $g; return (MIME::Base64::encode(pack('VvvH4H12', map({ hex } @p[0 .. 2]), @p[3, 4]), ''), $g) },
	sid => sub { my @n = map { int rand 4e9 } 1 .. 3; my $r = 1000 + int rand 9000; return (MIME::Base64::encode(pack('CCnNV5', 1, 5, 0, 5, 21, @n, $r), ''), join '-', 'S-1-5-21', @n, $r) },
	iso => sub { my $d = stamp('%04d-%02d-%02d', date_of()); return ($d, $d) },
	zoned => sub { my $d = stamp('%04d-%02d-%02d', date_of()); return ("${d}T10:15:00+02:00", "$d 08:15:00+00") },
	compact => sub { my @d = date_of(); return (stamp('%04d%02d%02d', @d), stamp('%04d-%02d-%02d', @d)) },
	dmy => sub { my @d = date_of(); return (stamp('%02d.%02d.%04d', @d[2, 1, 0]), stamp('%04d-%02d-%02d', @d)) },
	slashes => sub { my @d = date_of(); return (stamp('%02d/%02d/%04d', @d[2, 1, 0]), stamp('%04d-%02d-%02d', @d)) },
	moment => sub { my @d = date_of(); my $m = int rand 60; return (stamp('%02d.%02d.%04d 7:%02d', @d[2, 1, 0], $m), stamp('%04d-%02d-%02d 07:%02d:00', @d, $m)) },
	mdy => sub { my @d = date_of(); return (stamp('%d/%d/%04d', @d[1, 2, 0]), stamp('%04d-%02d-%02d', @d)) },
	time => sub { my ($h, $m) = (int rand 24, int rand 60); return (stamp('%d:%02d', $h, $m), stamp('%02d:%02d:00', $h, $m)) },
	zulu => sub { my @d = date_of(); return (stamp('%04d%02d%02d083000.0Z', @d), stamp('%04d-%02d-%02d 08:30:00+00', @d)) },
	filetime => sub { my @d = date_of(); my $s = Time::Local::timegm(0, 0, 0, $d[2], $d[1] - 1, $d[0]);
		return (($s + 11644473600) . '0000000', stamp('%04d-%02d-%02d 00:00:00+00', @d)) },
	flag => sub { my $f = rand() < .5; return ($f ? 'yes' : 'no', $f ? 'true' : 'false') },
	wahr => sub { my $f = rand() < .5; return ($f ? 'WAHR' : 'FALSCH', $f ? 'true' : 'false') },
	zero_one => sub { my $f = rand() < .5; return ($f ? 1 : 0, $f ? 'true' : 'false') },
	list => sub { my @l = map { pick('smtp:', 'SMTP:') . pick('a', 'b', 'c') . '@example.org' } 1 .. 1 + int rand 3; return (join(';', @l), '{' . join(',', @l) . '}') },
	empty => sub { return (undef, undef) },
	text => sub { my $w = join ' ', map { pick(@words) } 1 .. 1 + int rand 3; return ($w, $w) },
	hard => sub { my $w = pick(@words) . pick(', ', '; ', ' "so" ', "\n", ' | ', "\t", ' # ') . pick(@words); return ($w, $w) },
);

sub guid { return join '-', map { join '', map { sprintf '%x', rand 16 } 1 .. $_ } 8, 4, 4, 4, 12 }

# ---------- a file ----------

sub field
{
	my ($value, $d) = @_;
	return '' if !defined $value;
	return $value if defined $d->{null} && $value eq $d->{null};
	my $q = $d->{quote};
	return $value if !$d->{all_quoted} && $value !~ /[\Q$d->{delimiter}$q\E\n\r]/ && $value ne '' && $value !~ /^ | $/;
	my $e = $d->{escape} // $q;
	return $q . ($value =~ s/([\Q$q$e\E])/$e$1/gr) . $q;
}

sub dialect
{
	my %d = (
		delimiter => pick(',', ';', "\t", '|', '||', '^', '~|~'),
		quote => pick('"', '"', '"', "'"),
		escape => pick(undef, undef, undef, '\\'),
		all_quoted => rand() < .3,
		end => pick("\n", "\r\n"),
		encoding => pick('UTF-8', 'UTF-8', 'cp1252', 'iso-8859-1', 'UTF-16LE', 'UTF-16BE'),
		skip => rand() < .2 ? 1 + int rand 2 : 0,
		comment => rand() < .2,
		trailer => rand() < .2,
		header => rand() > .1,
		null => pick(undef, undef, undef, 'NULL', '\N'),
		gzip => rand() < .1,
		blank => rand() < .1,
		composite => rand() < .2,
	);
	$d{bom} = $d{encoding} =~ /^UTF-16/ ? rand() < .7 : $d{encoding} eq 'UTF-8' && rand() < .3;
	return %d;
}

sub draw
{
	my %d = dialect();
	$d{kinds} = [ $d{composite} ? ('order', 'line') : 'key', map { pick(sort keys %kinds) } 1 .. 3 + int rand 8 ];
	$d{names} = [ $d{composite} ? ('order_no', 'line_no') : pick('id', 'objectGUID', 'person_no', 'EmployeeID') ];
	push @{ $d{names} }, map { pick('Col', 'feld ', 'x-', 'Größe ', 'it"s ') . $_ } @{ $d{names} } .. $#{ $d{kinds} };
	my $key_kind = $d{names}[0] eq 'objectGUID' ? 'guid' : 'int';
	my %seen;
	for my $n (0 .. 29 + int rand 40)
	{
		my (@source, @value);
		for my $kind (@{ $d{kinds} })
		{
			my $of_key = $kind =~ /^(key|order|line)$/;
			my ($s, $v) = $kind eq 'order' ? (500 + int $n / 3) x 2 : $kind eq 'line' ? (1 + $n % 3) x 2 : $kind eq 'key' && $key_kind eq 'int' ? (1000 + $n) x 2 : $kinds{ $of_key ? $key_kind : $kind }->();
			# cells may be empty, but for the key and the first rows, which tell the kind
			($s, $v) = ($d{null} && rand() < .5 ? $d{null} : undef, undef) if !$of_key && $n > 24 && rand() < .2;
			if ($d{encoding} =~ /cp1252|iso/ && defined $s) { tr/Ł/L/ for grep { defined } $s, $v }
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
		@{ $d->{lines} }, $d->{trailer} ? 'TRAILER ' . (@{ $d->{lines} } + ($d->{blank} ? 2 : 0)) : ());
	if ($d->{comment})
	{
		splice @lines, $_, 0, '# exported by hand' for 0, $#lines - 1;
	}
	my $text = join '', map { s/\n/$d->{end}/gr . $d->{end} } @lines;
	my $bytes = Encode::encode($d->{encoding}, ($d->{bom} ? "\x{feff}" : '') . $text);
	open my $file, '>:raw', "$folder/$name" or die "$name: $!";
	if ($d->{gzip}) { IO::Compress::Gzip::gzip(\$bytes => $file) or die }
	else { print $file $bytes }
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
	my $name = "f$n.csv" . ($d->{gzip} ? '.gz' : '');
	write_file($d, $name);
	my ($code, $proposal, $error) = $node->psql('postgres', "SELECT syncup_suggest('$folder/$name', 't$n')");
	if ($code != 0) { push @wrong, "seed $seed: no proposal: $error"; next }
	my ($run, $answer, $message) = $node->psql('postgres', $proposal);
	if ($run != 0 || $answer !~ /^applied\|/m) { push @wrong, "seed $seed: $answer $message\n$proposal"; next }
	my $line_end = $d->{end};
	my $expected = join ' ', sort map {
		unpack 'H*', Encode::encode('UTF-8', join "\x02", map { defined $_ ? s/\n/$line_end/gr : "\x01" } @$_)
	} @{ $d->{rows} };
	my $got = loaded("t$n");
	next if $got eq $expected;
	my @told;
	my ($wanted, $is) = map { [ map { [ split /\x02/, pack('H*', $_), -1 ] } split / / ] } $expected, $got;
	push @told, scalar(@$is) . ' rows instead of ' . @$wanted if @$is != @$wanted;
	for my $c (0 .. $#{ $d->{kinds} })
	{
		my ($these, $those) = map { [ sort map { $_->[$c] // 'no column' } @$_ ] } $wanted, $is;
		my ($i) = grep { ($these->[$_] // '') ne ($those->[$_] // '') } 0 .. $#$these;
		push @told, "  $d->{kinds}[$c]: " . join ' instead of ', map { $_->[$i] // 'nothing' } $those, $these if defined $i;
	}
	push @wrong, join "\n", "seed $seed: other values", @told, $proposal;
}
is(join("\n", @wrong), '', "$files files from seed $first_seed: what is proposed runs, and loads what the file says");

# ---------- folders: who is whose, and in what ----------

# What is proposed for a folder runs; what a query says then.
sub try_folder
{
	my ($seed, $path, @queries) = @_;
	my ($code, $proposal, $error) = $node->psql('postgres', "SELECT syncup_suggest('$path')");
	return "seed $seed: no proposal: $error" if $code != 0;
	my ($run, $answer, $message) = $node->psql('postgres', $proposal);
	return "seed $seed: $answer $message\n$proposal" if $run != 0 || $answer !~ /^applied\|/m;
	while (my ($query, $expected) = splice @queries, 0, 2)
	{
		my ($failed, $got, $why) = $node->psql('postgres', "SELECT coalesce(string_agg(row, ' ' ORDER BY row COLLATE \"C\"), '') FROM ($query) AS q (row)");
		$expected = join ' ', sort @$expected;
		return "seed $seed: $query\nis $got$why\nnot $expected\n$proposal" if $failed || $got ne $expected;
	}
	return ();
}

sub draw_folder
{
	my ($folder_name) = @_;
	my %d = (dialect(), skip => 0, comment => 0, trailer => 0, header => 1, gzip => 0, null => undef, delimiter => pick(',', ';', "\t", '|'));
	my $by_guid = rand() < .5;
	my @people = map { { id => $by_guid ? guid() : 10000 + $_ * 3, dn => "CN=P$_,OU=Staff,DC=example,DC=org", mail => "p$_\@example.org", name => pick(@words) } } 0 .. 39 + int rand 30;
	my @groups = map { { id => $_ + 1 + 100 * int(rand 2) * ($_ % 2) + $_ * 1000, name => "G$_" } } 0 .. 5 + int rand 6;
	tr/Ł/L/ for map { $_->{name} } @people;
	my $refer = pick('id', 'dn', 'mail');
	my $separator = pick(';', '|');
	my $in_cells = rand() < .4;
	$_->{manager} = rand() < .9 ? pick(@people[0 .. 24]) : undef for @people;
	my (%members, @pairs);
	for my $g (@groups)
	{
		my %in = map { int(rand @people) => 1 } 1 .. 2 + int rand 12;
		$g->{members} = [ map { $people[$_] } sort { $a <=> $b } keys %in ];
		push @pairs, map { [ $g, $_, pick('owner', 'member') ] } @{ $g->{members} };
	}
	my $with_role = rand() < .4;
	my @files = (
		[ 'people.csv', [ $by_guid ? 'objectGUID' : 'employee_id', 'distinguishedName', 'mail', 'displayName', 'manager' ],
			map { my $p = $_; [ @$p{qw(id dn mail name)}, $p->{manager} ? $p->{manager}{$refer} : undef ] } @people ],
		[ 'groups.csv', [ 'group_id', 'name', $in_cells ? 'members' : () ], map { my $g = $_; [ @$g{qw(id name)}, $in_cells ? join($separator, map { $_->{$refer} } @{ $g->{members} }) : () ] } @groups ]);
	push @files, [ 'memberships.csv', [ 'group_id', 'member', $with_role ? 'role' : () ], map { [ $_->[0]{id}, $_->[1]{$refer}, $with_role ? $_->[2] : () ] } @pairs ] if !$in_cells;
	mkdir "$folder/$folder_name" or die;
	for (@files)
	{
		my ($name, $names, @rows) = @$_;
		write_file({ %d, names => $names, lines => [ map { join $d{delimiter}, map { field($_, \%d) } @$_ } @rows ] }, "$folder_name/$name");
	}
	my $key = lc $files[0][1][0];
	return ("SELECT concat_ws(',', $key, manager) FROM people", [ map { join ',', $_->{id}, $_->{manager} ? $_->{manager}{id} : () } @people ],
		$in_cells ? ("SELECT groups || ',' || members FROM groups_members", [ map { "$_->[0]{id},$_->[1]{id}" } @pairs ])
		: ("SELECT concat_ws(',', group_id, member" . ($with_role ? ', role' : '') . ') FROM memberships', [ map { join ',', $_->[0]{id}, $_->[1]{id}, $with_role ? $_->[2] : () } @pairs ]));
}

@wrong = ();
for my $n (1 .. $files / 5)
{
	my $seed = $first_seed + $n - 1;
	srand $seed;
	my @queries = draw_folder("d$n");
	$node->safe_psql('postgres', 'DROP TABLE IF EXISTS people, groups, groups_members, memberships CASCADE');
	push @wrong, try_folder($seed, "$folder/d$n", @queries);
}
is(join("\n", @wrong), '', 'folders from the same seed: managers and members are links');

# ---------- folders that are there: what is loaded is what another reader finds ----------

# The rows of a file as [line, cells...], by a reader of its own.
sub read_rows
{
	my ($path, $o) = @_;
	my $bytes = slurp_file($path);
	if ($path =~ /\.gz$/) { IO::Uncompress::Gunzip::gunzip(\(my $packed = $bytes) => \$bytes) or die }
	my $text = Encode::decode($o->{encoding} =~ s/^WIN/cp/r =~ s/^UTF-?8$/UTF-8/r =~ s/^LATIN1$/iso-8859-1/r, $bytes);
	$text =~ s/^\x{feff}//;
	$text =~ s/^[^\n]*\n// for 1 .. $o->{skip_lines};
	my ($d, $q, $e) = @$o{qw(delimiter quote escape)};
	my ($cell, @cells, @rows) = ('');
	my $end_cell = sub { push @cells, $o->{trim} ? $cell =~ s/^ +| +$//gr : $cell; $cell = '' };
	my $end_row = sub { $end_cell->(); push @rows, [@cells] if @cells > 1 || $cells[0] ne ''; @cells = () };
	while ($text =~ /\G(?:(?<d>\Q$d\E)|(?<n>\r\n|\n|\r)|\Q$q\E(?<q>(?:[^\Q$q$e\E]|\Q$e\E[\Q$q$e\E])*)\Q$q\E|(?<c>.))/gs)
	{
		if (defined $+{d}) { $end_cell->() }
		elsif (defined $+{n}) { $end_row->() }
		else { $cell .= defined $+{q} ? $+{q} =~ s/\Q$e\E([\Q$q$e\E])/$1/gr : $+{c} }
	}
	$end_row->() if $cell ne '' || @cells;
	return grep { !defined $o->{comment} || $_->[0] !~ /^\Q$o->{comment}\E/ } @rows;
}

# What a cell means, by functions of PostgreSQL.
sub meant
{
	my ($format, $type, $raw) = @_;
	return "$raw\::$type" if $format eq '' || $format eq 'guid';
	return "to_timestamp($raw, '$1')\::timestamp\::$type" if $format =~ /^datetime:(.*)/;
	return "to_timestamp(substr($raw, 1, 14), 'YYYYMMDDHH24MISS')" if $format eq 'generalizedtime';
	return "CASE WHEN $raw NOT IN ('0', '9223372036854775807') THEN to_timestamp($raw\::numeric / 10000000 - 11644473600) END" if $format eq 'filetime';
	return "lower($raw) IN ('true', 'yes', 'y', 't', '1', 'oui')" if $format eq 'bool';
	return "replace($raw, ',', '.')\::numeric" if $format eq 'number:,';
	return "(SELECT array_agg(replace(v, '\\$1', '$1') ORDER BY n) FROM regexp_split_to_table($raw, '(?<!\\\\)[$1]') WITH ORDINALITY l (v, n) WHERE v <> '')" if $format =~ /^multivaluedtext:(.)$/;
	die "what is format $format?";
}

for my $path ($ENV{FOLDERS} ? split(' ', $ENV{FOLDERS}) : glob('test/data/demo/[14]-*'))
{
	my $copy = "$folder/there" . ++$files;
	mkdir $copy or die;
	system_or_bail('sh', '-c', "cp $path/*.* $copy && chmod a+rx $copy && chmod a+r $copy/*");
	$node->safe_psql('postgres', 'DROP DATABASE IF EXISTS there');
	$node->safe_psql('postgres', 'CREATE DATABASE there');
	my ($code, $proposal, $error) = $node->psql('there', "CREATE EXTENSION syncup; SELECT syncup_suggest('$copy')");
	my ($run, $answer, $message) = $code == 0 ? $node->psql('there', $proposal) : (1, '', $error);
	ok($run == 0 && $answer =~ /^applied\|/m, "$path: is proposed and applied") or diag("$proposal\n$answer\n$message"), next;
	for (split /\n/, $node->safe_psql('there', q{SELECT m.mapping, m.target, c.directory || '/' || m.file, m.options FROM syncup.mapping m JOIN syncup.connector c USING (connector) WHERE m.kind = 'entity type' AND NOT m.options ? 'pattern' ORDER BY 1}))
	{
		my ($mapping, $target, $file, $options) = split /\|/, $_, 4;
		my %o = (delimiter => ',', quote => '"', encoding => 'UTF-8', skip_lines => 0, header => 1);
		while ($options =~ /"(\w+)": ("(?:[^"\\]|\\.)*"|[\w.]+)/g) { my ($k, $v) = ($1, $2); $v =~ s/^"(.*)"$/$1/s; $o{$k} = $v =~ s/\\t/\t/r =~ s/\\(["\\])/$1/gr }
		$o{escape} //= $o{quote};
		my ($names, @rows) = read_rows($file, \%o);
		if ($o{header} eq 'false') { unshift @rows, $names; $names = [ map { "column$_" } 1 .. @$names ] }
		pop @rows if exists $o{trailer};
		my $sql = "CREATE TEMPORARY TABLE raw (n int" . join('', map { ", c$_ text" } 0 .. $#$names) . ");\n";
		for my $n (0 .. $#rows)
		{
			$sql .= "INSERT INTO raw VALUES ($n" . join('', map { my $v = $rows[$n][$_]; !defined $v || $v eq '' || ($options =~ /"null": \[[^]]*"\Q$v\E"/) ? ', NULL' : ", \$q\$$v\$q\$" } 0 .. $#$names) . ");\n";
		}
		my %place = map { $names->[$_] => $_ } 0 .. $#$names;
		my (@key, @meant);
		for (split /\n/, $node->safe_psql('there', "SELECT source, target, coalesce(format, ''), target_type, key_part FROM syncup.mapping_column WHERE mapping = '$mapping' AND target IS NOT NULL ORDER BY ordinal"))
		{
			my ($source, $column, $format, $type, $part) = split /\|/;
			my $value = meant($format, $type, "c$place{$source}") . " AS \"$column\"";
			push @meant, $value;
			push @key, "\"$column\"" if $part;
		}
		my $keys = join ', ', @key;
		my $columns = join ', ', map { /AS (".*")$/ } @meant;
		# of equal keys the first
		$sql .= "SET timezone = 'UTC'; CREATE TEMPORARY TABLE wanted AS SELECT DISTINCT ON ($keys) @{[ join ', ', @meant ]} FROM raw WHERE true ORDER BY $keys, n;
			DELETE FROM wanted WHERE ($keys) IS NULL" . join('', map { " OR $_ IS NULL" } @key) . ";
			SELECT 'only in the file: ' || w FROM (SELECT $columns FROM wanted EXCEPT SELECT $columns FROM $target) w;
			SELECT 'only in the table: ' || w FROM (SELECT $columns FROM $target EXCEPT SELECT $columns FROM wanted) w;";
		my ($bad, $differ, $why) = $node->psql('there', Encode::encode('UTF-8', $sql));
		is($differ . $why, '', "$path: $mapping holds what its file says, of " . @rows . ' rows') or diag("$options");
	}
}

# What is there of a column is counted.
my $sample = draw();
$sample->{gzip} = 0;
write_file($sample, 'sample.csv');
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup_csv_sample('$folder/sample.csv')"), scalar @{ $sample->{kinds} }, 'a sample has a row per column');

$node->stop;
done_testing();
