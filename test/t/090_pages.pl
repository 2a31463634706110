# Pages in a browser: they load from a file without a request to anywhere, no script
# runs whatever values say, they are light and dark, print, and stay under 2 MB.
use strict;
use warnings;
use IPC::Run;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my ($chromium) = grep { -x $_ } map { ("/usr/bin/$_", "/usr/local/bin/$_") } qw(chromium chromium-browser google-chrome);
plan skip_all => 'chromium is not installed' unless $chromium;

my $node = PostgreSQL::Test::Cluster->new('pages');
$node->init(extra => [ '--encoding', 'UTF8', '--locale', 'C' ]);
$node->start;
my $dir = PostgreSQL::Test::Utils::tempdir;
my $out = PostgreSQL::Test::Utils::tempdir;

sub write_file
{
	my ($path, $content) = @_;
	open my $file, '>', $path or die "$path: $!";
	print $file $content;
	close $file;
}

sub read_file
{
	my ($path) = @_;
	open my $file, '<:raw', $path or die "$path: $!";
	local $/;
	return scalar <$file>;
}

# Opens a page; what the browser wrote to its output and to its log.
my $profile = 0;
sub browse
{
	my ($page, @options) = @_;
	my $log = "$out/net" . ++$profile . '.json';
	my ($stdout, $stderr) = ('', '');
	IPC::Run::run(
		[   $chromium, '--headless', '--no-sandbox', '--disable-gpu', '--disable-quic', '--no-first-run', '--disable-background-networking',
			'--disable-component-update', '--disable-sync', '--host-resolver-rules=MAP * ~NOTFOUND', '--disable-dev-shm-usage', '--hide-scrollbars', '--force-device-scale-factor=1',
			"--user-data-dir=$out/profile$profile", "--log-net-log=$log", @options, "file://$page" ],
		'<', \undef, '>', \$stdout, '2>', \$stderr, IPC::Run::timeout(120))
	  or die "chromium: $stderr";
	return ($stdout, read_file($log));
}

# What was asked of the network, but for what the browser asks for itself.
sub requests
{
	my ($net) = @_;
	return grep { !m{^file:|^https?://[\w.]*google(apis)?\.com/} } $net =~ /"url":"([^"]+)"/g;
}

# How bright a picture is at a place: 0 to 255. PNG as Chromium writes it.
sub pixel
{
	my ($png, $x, $y) = @_;
	require Compress::Zlib;
	my ($width, $height, $depth, $type) = unpack 'NNCC', substr $png, 16, 10;
	die "depth $depth, type $type" unless $depth == 8 && ($type == 2 || $type == 6);
	my $bytes = $type == 2 ? 3 : 4;
	my ($data, $at) = ('', 8);
	while ($at < length $png)
	{
		my ($length, $name) = unpack 'Na4', substr $png, $at, 8;
		$data .= substr $png, $at + 8, $length if $name eq 'IDAT';
		$at += 12 + $length;
	}
	$data = Compress::Zlib::uncompress($data);
	my @before = (0) x ($width * $bytes);
	for my $row (0 .. $y)
	{
		my ($filter, @line) = unpack "C*", substr $data, $row * (1 + $width * $bytes), 1 + $width * $bytes;
		for my $i (0 .. $#line)
		{
			my $left = $i >= $bytes ? $line[ $i - $bytes ] : 0;
			my $corner = $i >= $bytes ? $before[ $i - $bytes ] : 0;
			my $up = $before[$i];
			my $guess = $left + $up - $corner;
			my ($pl, $pu, $pc) = (abs($guess - $left), abs($guess - $up), abs($guess - $corner));
			$line[$i] = ($line[$i] + (0, $left, $up, int(($left + $up) / 2), $pl <= $pu && $pl <= $pc ? $left : $pu <= $pc ? $up : $corner)[$filter]) & 255;
		}
		@before = @line;
	}
	my @rgb = @before[ $x * $bytes .. $x * $bytes + 2 ];
	return ($rgb[0] + $rgb[1] + $rgb[2]) / 3;
}

# A connector whose every name and value would run a script, if it could; values also
# turn the direction of writing, are long, and quote.
my $evil = q{<script>document.title='alert'</script><img src=http://198.51.100.1/x.png onerror=document.title='alert'>};
my $name = q{<script>document.title='alert'</script>};
my $cell = sub { my $v = shift; $v =~ s/"/""/g; return qq{"$v"} };
my @rows = map { my $n = $_; join ',', map { $cell->($_) } "k$n", "$evil$n", "\x{e2}\x{80}\x{ae}turned$n\x{e2}\x{80}\xac", "'\"><svg onload=document.title='alert'>$n", ('<' x 10000) . $n } 1 .. 300;
write_file("$dir/a.csv", join "\n", 'id,a,b,c,d', @rows, '');
$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE a (id text PRIMARY KEY, a text, b text, c text, d text);
SELECT syncup_create_connector(\$\$$name\$\$, '$dir', jsonb_build_object('contact', \$\$$evil\$\$));
SELECT syncup_map_entity_type(\$\$$name\$\$, '<script>x</script>', 'a', 'a.csv', 'id', options => '{"display": "a", "watch": "b LIKE ''%1%''"}');
CALL syncup_run(\$\$$name\$\$, 'initial');
SQL
s/turned/moved/ for @rows[ 0 .. 149 ];
write_file("$dir/a.csv", join "\n", 'id,a,b,c,d', @rows[ 0 .. 199 ], '');
$node->safe_psql('postgres', "CALL syncup_run(\$\$$name\$\$, 'complete')");
is($node->safe_psql('postgres', "SELECT count(*) FROM syncup.batch WHERE status = 'blocked'"), 1, 'a batch is blocked');

# What is looked for is found, where it is.
write_file("$out/control.html", "<title>page</title><main id=\"main\"></main>$evil");
my ($control, $asked) = browse("$out/control.html", '--virtual-time-budget=2000', '--dump-dom');
like($control, qr/<title>alert/, 'a script that runs is noticed');
like(join(' ', requests($asked)), qr/198\.51\.100\.1/, 'a request is noticed');

my %page = (
	report => "SELECT syncup_report(batch, 'html') FROM syncup.batch WHERE status = 'blocked'",
	dashboard => 'SELECT syncup_dashboard()');
for my $kind (sort keys %page)
{
	my $file = "$out/$kind.html";
	# As the manual says: psql -At -c ... > page.html
	$node->command_ok([ 'psql', '-X', '-At', '-d', $node->connstr('postgres'), '-o', $file, '-c', $page{$kind} ], "$kind: written by psql");
	my $size = -s $file;
	cmp_ok($size, '<', 2_000_000, "$kind: at most 2 MB");
	cmp_ok($size, '>', 5_000, "$kind: and it is a page");

	my ($dom, $net) = browse($file, '--virtual-time-budget=2000', '--dump-dom');
	unlike($dom, qr/<title>alert/, "$kind: no script ran");
	unlike($dom, qr/<script|<img|<svg[^>]*onload/i, "$kind: no value became an element");
	like($dom, qr/<main id="main">.*<\/main>/s, "$kind: the page is there as it was written");
	is(join(' ', requests($net)), '', "$kind: no request");

	browse($file, '--window-size=900,700', "--screenshot=$out/$kind.light.png");
	browse($file, '--window-size=900,700', '--blink-settings=preferredColorScheme=0', "--screenshot=$out/$kind.dark.png");
	my ($light, $dark) = map { pixel(read_file("$out/$kind.$_.png"), 5, 5) } qw(light dark);
	cmp_ok($light, '>', 240, "$kind: light");
	cmp_ok($dark, '<', 40, "$kind: dark, where that is asked for");
	browse($file, "--print-to-pdf=$out/$kind.pdf", '--no-pdf-header-footer');
	like(read_file("$out/$kind.pdf"), qr/^%PDF.*%%EOF\s*\z/s, "$kind: prints");
}

done_testing();
