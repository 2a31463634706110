# A directory to be read and written: OpenLDAP's slapd with a folder and port of its
# own, as whoever runs the test. It has the overlays syncprov and memberof; its base
# is dc=example,dc=org. Debian: slapd, ldap-utils; openssl for TLS.
package Slapd;

use strict;
use warnings;
use IO::Select ();
use IO::Socket::INET ();
use IPC::Run ();
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils ();
use POSIX qw(WNOHANG);
use Time::HiRes ();

our $base = 'dc=example,dc=org';
our $admin = "cn=admin,$base";
our $password = 'Secret of the directory';

my %running;

# A program that users other than root do not find by their path.
sub program
{
	my ($name) = @_;
	my ($found) = grep { -x } map { "$_/$name" } '/usr/sbin', '/usr/local/libexec', split /:/, $ENV{PATH};
	return $found;
}

# Whether there is one on this machine.
sub is_here { return program('slapd') && program('ldapmodify') }

# conf: lines for the database (syncprov-sessionlog 100000); global: lines before it.
# tls: a hash of files, as make_certificates() returns it.
sub new
{
	my ($class, %args) = @_;
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $self = bless {
		folder => $folder,
		port => PostgreSQL::Test::Cluster::get_free_port(),
		conf => $args{conf} // 'syncprov-sessionlog 100000',
		global => $args{global} // '',
		tls => $args{tls},
	}, $class;
	$self->{tls_port} = PostgreSQL::Test::Cluster::get_free_port() if $self->{tls};
	mkdir "$folder/data";
	$self->configure;
	$self->load(<<LDIF);
dn: $base
objectClass: dcObject
objectClass: organization
dc: example
o: Example

dn: ou=people,$base
objectClass: organizationalUnit
ou: people

dn: ou=groups,$base
objectClass: organizationalUnit
ou: groups
LDIF
	return $self;
}

sub configure
{
	my ($self) = @_;
	my $folder = $self->{folder};
	my $tls = $self->{tls} ? <<CONF : '';
TLSCACertificateFile $self->{tls}{ca}
TLSCertificateFile $self->{tls}{certificate}
TLSCertificateKeyFile $self->{tls}{key}
CONF
	PostgreSQL::Test::Utils::append_to_file("$folder/slapd.conf", '');
	open my $file, '>', "$folder/slapd.conf" or die "$folder/slapd.conf: $!";
	print $file <<CONF;
include /etc/ldap/schema/core.schema
include /etc/ldap/schema/cosine.schema
include /etc/ldap/schema/inetorgperson.schema
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload syncprov
moduleload memberof
pidfile $folder/slapd.pid
$tls$self->{global}
database mdb
suffix $base
rootdn $admin
rootpw "$password"
directory $folder/data
maxsize 1073741824
envflags nosync
index objectClass,entryUUID,entryCSN eq
overlay memberof
overlay syncprov
$self->{conf}
CONF
	close $file or die "$folder/slapd.conf: $!";
	return;
}

# Loads entries while slapd is down.
sub load
{
	my ($self, $ldif) = @_;
	$self->run_program(program('slapadd'), '-q', '-w', '-f', "$self->{folder}/slapd.conf", \$ldif);
	return;
}

sub start
{
	my ($self) = @_;
	my @urls = ("ldap://127.0.0.1:$self->{port}", $self->{tls} ? "ldaps://127.0.0.1:$self->{tls_port}" : ());
	$self->{slapd} = fork // die "fork: $!";
	if (!$self->{slapd})
	{
		open STDOUT, '>', "$self->{folder}/log";
		open STDERR, '>&', \*STDOUT;
		exec program('slapd'), '-d', '0', '-f', "$self->{folder}/slapd.conf", '-h', join(' ', @urls);
	}
	$running{ $self->{slapd} } = 1;
	my $until = time + 20;
	until ($self->answers)
	{
		die 'slapd does not start: ' . PostgreSQL::Test::Utils::slurp_file("$self->{folder}/log") . "\n"
		  if time > $until || waitpid($self->{slapd}, WNOHANG);
		Time::HiRes::sleep(0.05);
	}
	return;
}

sub answers
{
	my ($self) = @_;
	return IPC::Run::run([ 'ldapsearch', '-x', '-H', $self->url, '-s', 'base', '-b', '', '1.1' ], '<', \undef, '>', \my $out, '2>', \my $err);
}

sub stop
{
	my ($self) = @_;
	return unless $self->{slapd};
	my $pid = delete $self->{slapd};
	kill INT => $pid;
	waitpid $pid, 0;
	delete $running{$pid};
	return;
}

# However the test ends.
END
{
	local $?;
	for my $pid (keys %running) { kill INT => $pid; waitpid $pid, 0 }
}

sub url { my ($self) = @_; return "ldap://127.0.0.1:$self->{port}" }

# The address of a gate before it: what the directory says passes, of what it is told so
# many octets; then nothing does, until one of the two goes away.
sub gate
{
	my ($self, $octets) = @_;
	my $listens = IO::Socket::INET->new(Listen => 1, LocalAddr => '127.0.0.1') or die "a gate: $!";
	my $pid = fork // die "fork: $!";
	if (!$pid)
	{
		my $client = $listens->accept;
		my $server = IO::Socket::INET->new(PeerAddr => '127.0.0.1', PeerPort => $self->{port});
		my $select = IO::Select->new($client, $server);
		while (1)
		{
			$select->remove($client) if $octets <= 0;
			for my $from ($select->can_read)
			{
				my $size = sysread $from, my $bytes, $from == $client && $octets < 4096 ? $octets : 4096;
				POSIX::_exit(0) unless $size;
				$octets -= $size if $from == $client;
				(($from == $client) ? $server : $client)->print($bytes);
			}
		}
	}
	$running{$pid} = 1;
	return 'ldap://127.0.0.1:' . $listens->sockport;
}

# As a DBA would have it: a server, and a user mapping with bind_dn and password.
sub create_server
{
	my ($self, $node, $name, %options) = @_;
	my $url = delete $options{url} // $self->url;
	my $more = join '', map { ", $_ '$options{$_}'" } sort keys %options;
	$node->safe_psql('postgres', <<SQL);
CREATE SERVER $name FOREIGN DATA WRAPPER syncup_ldap OPTIONS (url '$url'$more);
CREATE USER MAPPING FOR CURRENT_USER SERVER $name OPTIONS (bind_dn '$admin', password '$password');
SQL
	return;
}

sub run_program
{
	my ($self, @command) = @_;
	my $input = ref $command[-1] ? ${ pop @command } : '';
	my ($out, $err) = ('', '');
	IPC::Run::run(\@command, '<', \$input, '>', \$out, '2>', \$err) or die "$command[0]: $err$out\n";
	return $out;
}

# Changes written as LDIF; an entry without changetype is added.
sub change
{
	my ($self, $ldif) = @_;
	$self->run_program('ldapmodify', '-a', '-x', '-H', $self->url, '-D', $admin, '-w', $password, \$ldif);
	return;
}

# What ldapsearch prints, one value a line (LDIF without comments, not wrapped).
sub search
{
	my ($self, @args) = @_;
	return $self->run_program('ldapsearch', '-x', '-LLL', '-o', 'ldif-wrap=no', '-E', 'pr=1000/noprompt',
		'-H', $self->url, '-D', $admin, '-w', $password, '-b', $base, @args);
}

# Keys and certificates for 127.0.0.1, of an authority of their own: good, expired,
# and made out to somebody else.
sub make_certificates
{
	my $folder = PostgreSQL::Test::Utils::tempdir;
	my $openssl = sub { run_program(undef, 'openssl', @_) };
	for my $ca ('ca', 'other')
	{
		$openssl->('req', '-x509', '-newkey', 'rsa:2048', '-nodes', '-keyout', "$folder/$ca.key", '-out', "$folder/$ca.crt",
			'-subj', "/CN=$ca", '-days', '30', '-addext', 'keyUsage=critical,keyCertSign');
	}
	my %certificates = (
		good => [ 'IP:127.0.0.1', '20200101000000Z', '20990101000000Z' ],
		expired => [ 'IP:127.0.0.1', '20200101000000Z', '20210101000000Z' ],
		foreign => [ 'DNS:elsewhere.example.org', '20200101000000Z', '20990101000000Z' ]);
	PostgreSQL::Test::Utils::append_to_file("$folder/ca.conf", <<CONF);
[ca]
default_ca = this
[this]
database = $folder/index
new_certs_dir = $folder
rand_serial = yes
default_md = sha256
policy = any
copy_extensions = copy
unique_subject = no
[any]
commonName = supplied
CONF
	PostgreSQL::Test::Utils::append_to_file("$folder/index", '');
	my %files = (ca => "$folder/ca.crt", other => "$folder/other.crt");
	for my $name (sort keys %certificates)
	{
		my ($for, $from, $to) = @{ $certificates{$name} };
		$openssl->('req', '-newkey', 'rsa:2048', '-nodes', '-keyout', "$folder/$name.key", '-out', "$folder/$name.csr",
			'-subj', "/CN=$name", '-addext', "subjectAltName=$for");
		$openssl->('ca', '-batch', '-config', "$folder/ca.conf", '-cert', "$folder/ca.crt", '-keyfile', "$folder/ca.key",
			'-in', "$folder/$name.csr", '-out', "$folder/$name.crt", '-startdate', $from, '-enddate', $to, '-notext');
		$files{$name} = { ca => "$folder/ca.crt", certificate => "$folder/$name.crt", key => "$folder/$name.key" };
	}
	return \%files;
}

1;
