# A directory that answers as no real one at hand would: not at all, in part, or with
# ranges of values, as Active Directory. It speaks as much LDAP as that takes.
package FakeDirectory;

use strict;
use warnings;
use IO::Socket::INET;

sub tlv
{
	my ($tag, $content) = @_;
	my $length = length $content;
	return pack('CCa*', $tag, $length, $content) if $length < 128;
	return pack('CCNa*', $tag, 0x84, $length, $content);
}

sub integer { my ($n) = @_; return tlv(0x02, pack('N', $n)) }
sub octets { my ($text) = @_; return tlv(0x04, $text) }
sub message { my ($id, $operation) = @_; return tlv(0x30, integer($id) . $operation) }

# A result: of a bind (0x61) or a search (0x65).
sub result
{
	my ($id, $tag, $code, $said) = @_;
	return message($id, tlv($tag, tlv(0x0a, pack 'C', $code) . octets('') . octets($said // '')));
}

# An entry: its name, and lists of an attribute and its values.
sub entry
{
	my ($id, $dn, @attributes) = @_;
	return message($id, tlv(0x64, octets($dn) . tlv(0x30, join '', map {
		my ($name, @values) = @$_;
		tlv(0x30, octets($name) . tlv(0x31, join '', map { octets($_) } @values))
	} @attributes)));
}

# A part of the tree that lies elsewhere.
sub reference { my ($id, $url) = @_; return message($id, tlv(0x73, octets($url))) }

# The first element of some bytes: tag, content and what follows.
sub take
{
	my ($bytes) = @_;
	my ($tag, $length) = unpack 'CC', $bytes;
	my $at = 2;
	if ($length & 0x80)
	{
		my $n = $length & 0x7f;
		$length = 0;
		$length = $length * 256 + $_ for unpack "x2C$n", $bytes;
		$at += $n;
	}
	return ($tag, substr($bytes, $at, $length), substr($bytes, $at + $length));
}

# One whole message of a client; empty: it has gone.
sub receive
{
	my ($client) = @_;
	my $bytes = '';
	while (1)
	{
		my $needed = 2;
		if (length $bytes >= 2)
		{
			my $length = unpack 'xC', $bytes;
			my $n = $length & 0x80 ? $length & 0x7f : 0;
			if (length $bytes >= 2 + $n)
			{
				if ($n)
				{
					$length = 0;
					$length = $length * 256 + $_ for unpack "x2C$n", $bytes;
				}
				$needed = 2 + $n + $length;
				return $bytes if length $bytes == $needed;
			}
			else { $needed = 2 + $n }
		}
		sysread($client, $bytes, $needed - length $bytes, length $bytes) or return '';
	}
}

# Starts one. search: called with the client's socket, the message's number, the base
# and the attributes asked for; it writes the answer. Without it nothing is ever said.
sub new
{
	my ($class, $search) = @_;
	my $listener = IO::Socket::INET->new(Listen => 10, LocalAddr => '127.0.0.1', Proto => 'tcp', ReuseAddr => 1) or die "listen: $!";
	my $self = bless { port => $listener->sockport }, $class;
	$self->{pid} = fork // die "fork: $!";
	return $self if $self->{pid};

	# A child that knows nothing of the test, and ends without its END blocks.
	my @clients;
	while (my $client = $listener->accept)
	{
		push @clients, $client;
		next unless $search;
		while (my $bytes = receive($client))
		{
			my (undef, $content) = take($bytes);
			my (undef, $id, $operation) = take($content);
			$id = unpack 'N', substr("\0\0\0" . $id, -4);
			my ($tag, $rest) = take($operation);
			last if $tag == 0x42;
			syswrite $client, result($id, 0x61, 0) if $tag == 0x60;
			next if $tag != 0x63;
			(undef, my $base, $rest) = take($rest);
			(undef, undef, $rest) = take($rest) for 1 .. 6;
			my (undef, $list) = take($rest);
			my @attributes;
			while (length $list)
			{
				(undef, my $name, $list) = take($list);
				push @attributes, $name;
			}
			$search->($client, $id, $base, @attributes) or last;
		}
		close $client;
	}
	require POSIX;
	POSIX::_exit(0);
}

sub url { my ($self, $scheme) = @_; return ($scheme // 'ldap') . "://127.0.0.1:$self->{port}" }

sub stop
{
	my ($self) = @_;
	return unless $self->{pid};
	kill KILL => $self->{pid};
	waitpid $self->{pid}, 0;
	delete $self->{pid};
	return;
}

sub DESTROY { my ($self) = @_; local ($?, $!); $self->stop; return }

1;
