# What syncup must do, once more and in another way: SPEC 4.1 to 4.4 and 6.2 in
# plain perl, slow and short. A model knows previous and the queue of one connector
# and predicts, from the bytes of files, what a prepare makes of them.
#
# Where the SPEC leaves a choice, the reading tested here is marked "reading:".
package Model;

use strict;
use warnings;

my $NEWLINE = qr/\r\n|\r|\n/;

# What a prepare says of a file that it does not take; which fault it meets first
# is not predicted.
my $BAD_FILE = qr/cannot be evaluated|fields instead of|quote|is invalid in encoding|NUL byte|is not valid for type|command is|rows set aside|can be used/;

# ---------- CSV (SPEC 2.5, 4.2, 4.3) ----------

# One record at a position of the text. Result: its fields (undef: null), where it
# ends and the next begins; fault: "quote" or "unterminated", then the fields before.
sub record
{
	my ($text, $at, $delimiter, $quoted_empty) = @_;
	my (@fields, @bare);
	pos($$text) = $at;
	while (1)
	{
		my $value;
		my $is_bare = 0;
		if ($$text =~ /\G"/gc)
		{
			$value = '';
			while (1)
			{
				$value .= $1 if $$text =~ /\G([^"]+)/gc;
				return { fields => \@fields, fault => 'unterminated' } if pos($$text) == length $$text;
				$$text =~ /\G"/gc;
				if ($$text =~ /\G"/gc) { $value .= '"' }
				elsif ($$text =~ /\G(?=\Q$delimiter\E|\r|\n|\z)/gc) { last }
				else { return { fields => \@fields, fault => 'quote' } }
			}
			$value = undef if $value eq '' && $quoted_empty eq 'null';
		}
		else
		{
			$$text =~ (length $delimiter == 1 ? qr/\G([^"\Q$delimiter\E\r\n]*)/ : qr/\G((?:(?!\Q$delimiter\E)[^"\r\n])*)/);
			pos($$text) = $+[0];
			$value = $1 eq '' ? undef : $1;
			$is_bare = 1;
			return { fields => \@fields, fault => 'quote' } if $$text =~ /\G"/gc;
		}
		push @fields, $value;
		push @bare, $is_bare && defined $value;
		next if $$text =~ /\G\Q$delimiter\E/gc;
		my $end = pos($$text) // 0;
		$$text =~ /\G$NEWLINE/gc;
		return { fields => \@fields, bare => \@bare, end => $end, next => pos($$text) // $end };
	}
}

# Whether a text is valid UTF-8, as the server has it, without NUL.
sub is_valid
{
	my ($bytes) = @_;
	return 1 if $bytes !~ /[\x80-\xff\0]/;
	return $bytes =~ /\A(?:[\x01-\x7f]|[\xc2-\xdf][\x80-\xbf]|\xe0[\xa0-\xbf][\x80-\xbf]|[\xe1-\xec\xee\xef][\x80-\xbf]{2}
		|\xed[\x80-\x9f][\x80-\xbf]|\xf0[\x90-\xbf][\x80-\xbf]{2}|[\xf1-\xf3][\x80-\xbf]{3}|\xf4[\x80-\x8f][\x80-\xbf]{2})*\z/x;
}

# Bytes as quarantine shows them.
sub shown
{
	my ($raw) = @_;
	return $raw if is_valid($raw);
	return $raw =~ s/([\x80-\xff\0])/sprintf '\\x%02x', ord $1/ger;
}

# Reads a file: its header, and a list of rows {line, raw, fields}; one that cannot
# be used has a fault (malformed, encoding), and in "known" the fields that are
# certain all the same. cut: an open quote swallows the end of the file.
sub read_file
{
	my ($text, $dialect) = @_;
	my $at = 0;
	my $line = 1;
	my (@header, @rows);
	my $recovering = 0;

	my $pass_line = sub {
		pos($text) = $at;
		$text =~ /\G[^\r\n]*/gc;
		my $end = pos($text) // $at;
		$text =~ /\G$NEWLINE/gc;
		my $from = $at;
		$at = pos($text) // $end;
		$line++;
		return substr $text, $from, $end - $from;
	};
	$pass_line->() for 1 .. $dialect->{skip_lines};
	while (1)
	{
		pos($text) = $at;
		if ($text =~ /\G$NEWLINE/gc)
		{
			$at = pos $text;
			$line++;
			next;
		}
		last if $at >= length $text;

		my $record = record(\$text, $at, $dialect->{delimiter}, $dialect->{quoted_empty});
		my $row = { line => $line, fields => $record->{fields} };
		my $width_is_right = !@header || @{ $row->{fields} } == @header;
		if (defined $record->{end} && ($width_is_right || substr($text, $at, $record->{end} - $at) !~ /[\r\n]/))
		{
			$row->{raw} = substr $text, $at, $record->{end} - $at;
			$at = $record->{next};
			$line += 1 + (() = $row->{raw} =~ /$NEWLINE/g);
			if (!@header)
			{
				@header = map { $_ // '' } @{ $row->{fields} };
				next;
			}
			if (!$width_is_right)
			{
				# only a first field that a delimiter follows cannot have moved
				$row->{fault} = 'malformed';
				$row->{known} = [ $row->{fields}[0] ] if !$recovering && @{ $row->{fields} } > 1;
			}
			else
			{
				$recovering = 0;
				if (is_valid($row->{raw}))
				{
					# Texts that mean no value, where they are not quoted.
					for my $i (grep { $record->{bare}[$_] } 0 .. $#header)
					{
						next if !grep { $_ eq $row->{fields}[$i] } @{ $dialect->{nulls} };
						$row->{marked}[$i] = 1;
						$row->{fields}[$i] = undef;
					}
				}
				else
				{
					$row->{fault} = 'encoding';
					$row->{known} = $row->{fields};
				}
			}
		}
		else
		{
			# A quote went astray: one line is given up, and the next one is tried.
			$row->{fault} = 'malformed';
			$row->{known} = !defined $record->{end} ? $row->{fields} : @{ $row->{fields} } > 1 ? [ $row->{fields}[0] ] : undef
			  if !$recovering;
			$row->{raw} = $pass_line->();
			$recovering = 1;
			if (($record->{fault} // '') eq 'unterminated')
			{
				my $rescue = grep {
					my $single = $_;
					my $try = record(\$single, 0, $dialect->{delimiter}, $dialect->{quoted_empty});
					length $single && defined $try->{end} && @{ $try->{fields} } == @header;
				} split $NEWLINE, substr $text, $at;
				return { cut => 1 } if !$rescue;
			}
		}
		push @rows, $row;
	}
	return { header => \@header, rows => \@rows };
}

# ---------- values ----------

my %pattern = (
	int => qr/\A\s*[+-]?\d{1,9}\s*\z/,
	smallint => qr/\A\s*[+-]?\d{1,4}\s*\z/,
	uuid => qr/\A[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}\z/i,
	numeric => qr/\A\s*(?:[+-]?\d+(?:\.\d+)?(?:e\d)?|NaN)\s*\z/,
	'numeric(8,2)' => qr/\A-?\d{1,6}(?:\.\d+)?\z/,
	date => qr/\A(?:19|20)\d\d-?(?:0[1-9]|1[0-2])-?(?:[0-2]\d|3[01])\z/,
	timestamp => qr/\A\d{4}-\d\d-\d\d(?:[ T](?:[01]\d|2[0-3]):\d\d(?::\d\d(?:\.\d+)?)?)?\z/,
	boolean => qr/\A(?:t|true|yes|f|no|0|1)\z/,
	text => qr//);

# Whether a type takes the text; for the values that Export writes.
sub converts
{
	my ($type, $value) = @_;
	return 1 if !defined $value;
	if ($type =~ /\Avarchar/)
	{
		# blanks beyond the length are cut off, as SQL says
		my $characters = () = $value =~ /[\x00-\x7f\xc0-\xff]/g;
		my ($limit) = $type =~ /(\d+)/;
		my $blanks = $value =~ /( *)\z/ ? length $1 : 0;
		return $characters - $blanks <= $limit;
	}
	return 0 if $type eq 'date' && $value =~ /02-30/;
	return 0 if $type eq 'numeric(8,2)' && $value =~ /\A-?(\d+)/ && $1 > 999999;
	return scalar $value =~ $pattern{$type};
}

# The first column of a row whose target does not take its value.
sub refused
{
	my ($mapping, $row) = @_;
	for my $i (0 .. $#{ $mapping->{columns} })
	{
		my $column = $mapping->{columns}[$i];
		return $column->[0] if defined $column->[1] && !converts($column->[2], $row->[$i]);
	}
	return;
}

# ---------- what a mapping makes of a file ----------

sub same
{
	my ($a, $b) = @_;
	for my $i (0 .. $#$a)
	{
		return 0 if defined $a->[$i] != defined $b->[$i];
		return 0 if defined $a->[$i] && $a->[$i] ne $b->[$i];
	}
	return 1;
}

# The places of the mapping's columns, and maybe the command's, in the header.
sub find_columns
{
	my ($header, @names) = @_;
	my @places;
	for my $name (@names)
	{
		my ($at) = grep { $header->[$_] eq $name } 0 .. $#$header;
		($at) = grep { lc $header->[$_] eq lc $name } 0 .. $#$header if !defined $at;
		push @places, $at;
	}
	return @places;
}

# ---------- keys ----------

# The columns of the key: mostly one.
sub key_columns
{
	my ($mapping) = @_;
	return ref $mapping->{key} ? @{ $mapping->{key} } : $mapping->{key};
}

# The values of a row's key; undef: one of them is missing.
sub key_of
{
	my ($mapping, $content) = @_;
	my @parts = @{$content}[ key_columns($mapping) ];
	return (grep { !defined $_ || $_ eq '' } @parts) ? undef : \@parts;
}

# How a key is written: several values as a row is in SQL.
sub key_text
{
	my ($key) = @_;
	return $key->[0] if @$key == 1;
	return '(' . join(',', map { /["\\(),\s\x0b]/ ? '"' . s/(["\\])/$1$1/gr . '"' : $_ } @$key) . ')';
}

# The key of a row that is malformed or holds a bad byte; undef: cannot be read.
sub readable_key
{
	my ($mapping, $row, @places) = @_;
	my @key;
	for my $place (@places[ key_columns($mapping) ])
	{
		return if !$row->{known} || $place > $#{ $row->{known} };
		my $value = $row->{known}[$place];
		return if !defined $value || $value eq '' || !is_valid($value);
		push @key, $value;
	}
	return \@key;
}

# Whether the types of the key take the texts.
sub is_key
{
	my ($mapping, $key) = @_;
	my @columns = @{ $mapping->{columns} }[ key_columns($mapping) ];
	return !grep { defined $columns[$_][1] && !converts($columns[$_][2], $key->[$_]) } 0 .. $#columns;
}

# What two texts of one key have in common: one spelling of it.
sub identity
{
	my ($mapping, $key) = @_;
	return key_text($key) if !is_key($mapping, $key);
	my @types = map { $_->[2] } @{ $mapping->{columns} }[ key_columns($mapping) ];
	return key_text([ map { $types[$_] =~ /int/ ? sprintf('%d', $key->[$_] =~ s/\A\s*\+?//r) : $types[$_] eq 'uuid' ? lc $key->[$_] : $key->[$_] } 0 .. $#types ]);
}

# Whether two rows say the same of their key, in whatever spelling.
sub same_but_key
{
	my ($mapping, $a, $b) = @_;
	my %is_key = map { $_ => 1 } key_columns($mapping);
	my @others = grep { !$is_key{$_} } 0 .. $#$a;
	return same([ @$a[@others] ], [ @$b[@others] ]);
}

# What "where" says of a row: yes, no, or undef where it raises an error.
sub counts
{
	my ($mapping, $content) = @_;
	my $where = $mapping->{where} or return 1;
	my ($i) = grep { $mapping->{columns}[$_][0] eq $where->{column} } 0 .. $#{ $mapping->{columns} };
	return $where->{holds}->($content->[$i]);
}

# ---------- cells that leave what is there ----------

# Whether a column's cells may; with a place: in this row of this file (place undef: the
# file lacks the column).
sub may_keep
{
	my ($mapping, $i) = @_;
	my $name = $mapping->{columns}[$i][0];
	return $mapping->{keeps}{$name} || ($mapping->{optional}{$name} // '') eq 'keep';
}

sub has_mark
{
	my ($mapping) = @_;
	return grep { may_keep($mapping, $_) } 0 .. $#{ $mapping->{columns} };
}

sub keeps
{
	my ($mapping, $i, $place, $value, $marked) = @_;
	my $name = $mapping->{columns}[$i][0];
	return 0 if defined $value;
	return defined $place ? $mapping->{keeps}{$name} && !$marked : ($mapping->{optional}{$name} // '') eq 'keep';
}

# Behind the fields of a row stand the names of the columns that keep, in the order that
# they are mapped in: that of jsonb.
sub mark
{
	my ($mapping, $content, @keeps) = @_;
	my @columns = @{ $mapping->{columns} };
	my @names = sort { length $a <=> length $b || $a cmp $b } map { $columns[$_][0] } grep { $keeps[$_] } 0 .. $#columns;
	$content->[@columns] = join(', ', @names) || undef if has_mark($mapping);
	return;
}

sub is_marked
{
	my ($mapping, $content, $i) = @_;
	my $name = $mapping->{columns}[$i][0];
	return scalar grep { $_ eq $name } split /, /, $content->[ @{ $mapping->{columns} } ] // '';
}

# The fields of a row, and which of its cells leave what is there.
sub content_of
{
	my ($mapping, $row, @places) = @_;
	my @content = map { defined $_ ? $row->{fields}[$_] : undef } @places;
	my @keeps = map { keeps($mapping, $_, $places[$_], $content[$_], defined $places[$_] && $row->{marked}[ $places[$_] ]) } 0 .. $#places;
	mark($mapping, \@content, @keeps);
	return (\@content, @keeps);
}

# What a row of an extract says of a row that is there.
sub keep_values
{
	my ($mapping, $before, $content, $keeps, @places) = @_;
	return $content if !$before || !grep { $_ } @$keeps;
	my @result = map { $keeps->[$_] ? $before->[$_] : $content->[$_] } 0 .. $#places;

	# a file that lacks the column does not say whether the value was given or kept
	mark($mapping, \@result, map { $keeps->[$_] && (defined $places[$_] || is_marked($mapping, $before, $_)) } 0 .. $#places);
	return \@result;
}

sub new_work
{
	return {
		counter => { map { $_ => 0 } qw(rows_read rows_kept null_keys duplicates rejected empty_links filtered delta_inserted delta_updated delta_deleted) },
		quarantine => [],
		delta => {},
		kept_keys => {},		# of rows set aside: never deleted, even if only the target has them
		suspended => 0 };
}

# Sets a row aside.
sub set_aside
{
	my ($work, $counter, $row, $reason, $key) = @_;
	$work->{counter}{$counter}++;
	push @{ $work->{quarantine} }, [ $row->{line}, $reason, $key && key_text($key), shown($row->{raw}) ];
	return;
}

# Adds a row to the delta.
sub put_delta
{
	my ($work, $command, $key, $row) = @_;
	$work->{delta}{$key} = [ $command, $row ];
	$work->{counter}{"delta_$command" . ($command eq 'insert' ? 'ed' : 'd')}++;
	return;
}

# SPEC 4.1 and 4.3: a full extract against the baseline.
sub cleanse
{
	my ($mapping, $baseline, $file, $options) = @_;
	my $work = new_work();
	my @places = find_columns($file->{header}, map { $_->[0] } @{ $mapping->{columns} });
	my (%contents, %contradicted, %seen);

	if ($options->{duplicates} eq 'reject')
	{
		for my $row (grep { !$_->{fault} } @{ $file->{rows} })
		{
			my ($content) = content_of($mapping, $row, @places);
			my $key = key_of($mapping, $content);
			next if !counts($mapping, $content) || !$key || !is_key($mapping, $key);
			my $id = identity($mapping, $key);
			$contents{$id} //= $content;
			$contradicted{$id} = 1 if !same_but_key($mapping, $contents{$id}, $content);
		}
	}
	for my $row (@{ $file->{rows} })
	{
		$work->{counter}{rows_read}++;
		if ($row->{fault})
		{
			my $key = readable_key($mapping, $row, @places);
			if ($key && is_key($mapping, $key)) { $work->{kept_keys}{ identity($mapping, $key) } = 1 }
			else { $work->{suspended} = 1 }
			set_aside($work, 'rejected', $row, $row->{fault}, $key);
			next;
		}
		my ($content, @keeps) = content_of($mapping, $row, @places);
		my $key = key_of($mapping, $content);
		my $id = $key && identity($mapping, $key);
		my $counts = counts($mapping, $content);
		$content = keep_values($mapping, $baseline->{$id}, $content, \@keeps, @places) if $key;
		if (!defined $counts)
		{
			# nobody knows whether it counts: its key is there, if it has one
			if ($key && is_key($mapping, $key)) { $work->{kept_keys}{$id} = 1 }
			elsif ($key) { $work->{suspended} = 1 }
			set_aside($work, 'rejected', $row, 'conversion', $key);
		}
		elsif (!$counts) { $work->{counter}{filtered}++ }
		elsif (!$key) { set_aside($work, 'null_keys', $row, 'null key') }
		elsif (!is_key($mapping, $key))
		{
			# nobody knows which row it speaks of
			$work->{suspended} = 1;
			set_aside($work, 'rejected', $row, 'conversion', $key);
		}
		elsif ($contradicted{$id})
		{
			$work->{kept_keys}{$id} = 1;
			set_aside($work, 'duplicates', $row, 'duplicate', $key);
		}
		elsif ($seen{$id} && same_but_key($mapping, $seen{$id}, $content)) { $work->{counter}{duplicates}++ }
		elsif ($seen{$id}) { set_aside($work, 'duplicates', $row, 'duplicate', $key) }
		else
		{
			$seen{$id} = $content;
			if ($baseline->{$id} && same($baseline->{$id}, $content)) { $work->{counter}{rows_kept}++ }
			elsif (refused($mapping, $content))
			{
				$work->{kept_keys}{$id} = 1;
				set_aside($work, 'rejected', $row, 'conversion', $key);
			}
			else
			{
				$work->{counter}{rows_kept}++;
				put_delta($work, $baseline->{$id} ? 'update' : 'insert', $id, $content);
			}
		}
	}
	return $work if $work->{suspended};
	for my $key (keys %$baseline)
	{
		put_delta($work, 'delete', $key, $baseline->{$key}) if !$seen{$key} && !$work->{kept_keys}{$key};
	}
	return $work;
}

my %command = (insert => 'insert', add => 'insert', update => 'update', modify => 'update', delete => 'delete', merge => 'merge');

# SPEC 4.4: the net effect of a file of changes.
sub net_effect
{
	my ($mapping, $baseline, $file, $options) = @_;
	my $work = new_work();
	my ($command_place, @places) = find_columns($file->{header}, $options->{command_column}, map { $_->[0] } @{ $mapping->{columns} });
	my %is_key = map { $_ => 1 } key_columns($mapping);
	my (%state, %sign_of_life);

	for my $row (@{ $file->{rows} })
	{
		$work->{counter}{rows_read}++;
		if ($row->{fault})
		{
			my $key = readable_key($mapping, $row, @places);
			if ($key && is_key($mapping, $key)) { $sign_of_life{ identity($mapping, $key) } = 1 }
			else { $work->{suspended} = 1 }
			set_aside($work, 'rejected', $row, $row->{fault}, $key);
			$work->{unusable}++;
			next;
		}
		my ($raw, @keeps) = content_of($mapping, $row, @places);
		my @content = @$raw[ 0 .. $#places ];
		my @marked = map { defined $_ && $row->{marked}[$_] } @places;
		my $key = key_of($mapping, \@content);
		my $command = $command{ lc($row->{fields}[$command_place] // '') };
		if ((!$key || !is_key($mapping, $key) || !$command) && (counts($mapping, \@content) // 1) == 0)
		{
			# it cannot be used, and does not count
			$work->{counter}{filtered}++;
			next;
		}
		if (!$key)
		{
			set_aside($work, 'null_keys', $row, 'null key');
			$work->{unusable}++;
			next;
		}
		if (!is_key($mapping, $key))
		{
			# nobody knows which row it speaks of
			$work->{bad_value} = $work->{suspended} = 1;
			set_aside($work, 'rejected', $row, 'conversion', $key);
			$work->{unusable}++;
			next;
		}
		my $id = identity($mapping, $key);
		if (!$command)
		{
			$work->{bad_command} = 1;
			$sign_of_life{$id} = 1;
			set_aside($work, 'rejected', $row, 'malformed', $key);
			$work->{unusable}++;
			next;
		}
		$state{$id} = $baseline->{$id} if !exists $state{$id};
		if ($command eq 'delete')
		{
			$state{$id} = undef;
			delete $sign_of_life{$id};
			$work->{counter}{rows_kept}++;
			next;
		}
		my $before = $command eq 'insert' ? undef : $state{$id};
		for my $i (0 .. $#places)
		{
			next if $is_key{$i};
			$content[$i] = 'NULL_NULL' if $marked[$i] && $command ne 'insert';
			if (!defined $content[$i])
			{
				# of an update every empty cell leaves what is there, and how it came there
				$keeps[$i] = is_marked($mapping, $before, $i) if $before;
				$content[$i] = $before->[$i] if $before;
				$content[$i] = $state{$id}[$i] if $keeps[$i] && $state{$id};
			}
			elsif ($content[$i] eq 'NULL_NULL' && $command ne 'insert') { $content[$i] = undef }
		}
		mark($mapping, \@content, @keeps);
		my $counts = counts($mapping, \@content);
		if (defined $counts && !$counts)
		{
			# the row that results is not there
			$state{$id} = undef;
			delete $sign_of_life{$id};
			$work->{counter}{filtered}++;
			next;
		}
		if (defined $counts && $command eq 'update' && !$state{$id})
		{
			$sign_of_life{$id} = 1;
			set_aside($work, 'rejected', $row, 'unknown key', $key);
			next;
		}
		if (!defined $counts || refused($mapping, \@content))
		{
			$work->{bad_value} = 1;
			$sign_of_life{$id} = 1;
			set_aside($work, 'rejected', $row, 'conversion', $key);
			next;
		}
		$state{$id} = \@content;
		delete $sign_of_life{$id};
		$work->{counter}{rows_kept}++;
	}
	for my $key (keys %state)
	{
		my $before = $baseline->{$key};
		my $now = $state{$key};
		if ($now && !$before) { put_delta($work, 'insert', $key, $now) }
		elsif ($now && !same($before, $now)) { put_delta($work, 'update', $key, $now) }
		elsif ($before && !$now && !$sign_of_life{$key} && !$work->{suspended}) { put_delta($work, 'delete', $key, $before) }
	}
	return $work;
}

# ---------- the connector ----------

sub new
{
	my ($class, @mappings) = @_;
	return bless {
		mappings => \@mappings,
		previous => { map { $_->{name} => {} } @mappings },
		batches => [],
		needs_complete => 0,
		complete_after => 0,
		carried => {},
		limits => {},
	}, $class;
}

# Only a complete run that is prepared from now on will do.
sub ask_for_complete
{
	my ($self) = @_;
	$self->{needs_complete} = 1;
	$self->{complete_after} = @{ $self->{batches} };
	return;
}

sub queue
{
	my ($self) = @_;
	return grep { $_->{prepared} && $_->{status} =~ /\A(?:prepared|blocked|failed)\z/ } @{ $self->{batches} };
}

# A mapping's rows after the given deltas.
sub overlay
{
	my ($rows, @deltas) = @_;
	my %result = %$rows;
	for my $delta (@deltas)
	{
		for my $key (keys %$delta)
		{
			if ($delta->{$key}[0] eq 'delete') { delete $result{$key} }
			else { $result{$key} = $delta->{$key}[1] }
		}
	}
	return \%result;
}

# Why a prepare is refused before any file is read, as a pattern; undef: it is not.
sub refusal
{
	my ($self, $mode, $is_empty) = @_;
	if ($mode eq 'initial')
	{
		return qr/has a batch that waits/ if $self->queue;
		return qr/an initial run .* is not possible/ if !$is_empty || grep { %$_ } values %{ $self->{previous} };
	}
	if ($mode eq 'incremental')
	{
		return qr/is blocked by batch/ if grep { $_->{status} eq 'blocked' } $self->queue;
		return qr/needs a complete run/ if $self->{needs_complete};
		return qr/has no applied initial or complete run/
		  if !grep { $_->{mode} =~ /initial|complete/ && $_->{status} =~ /applied|undone/ } @{ $self->{batches} };
	}
	return;
}

# Predicts a prepare. files: by mapping, as read_file gives them; options: by
# mapping, with duplicates, on_error, reject_limit and, where the file carries
# changes, command_column. Result: a batch, or a pattern of its error.
sub prepare
{
	my ($self, $mode, $is_empty, $files, $options) = @_;
	my $refusal = $self->refusal($mode, $is_empty);
	return (undef, $refusal) if $refusal;

	my $batch = { mode => $mode, status => 'prepared', prepared => 1, work => {}, source_changes => 0 };
	my @queue = $mode eq 'complete' ? () : $self->queue;
	# Changes that a complete run takes the place of must come with it; files are looked
	# for before any is read.
	return (undef, qr/could not open file|no file/)
	  if $mode eq 'complete' && (grep { $_->{source_changes} } $self->queue) &&
	  grep { $files->{ $_->{name} }{missing} && defined $options->{ $_->{name} }{command_column} } @{ $self->{mappings} };
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $file = $files->{$name};
		my $own = $options->{$name};
		my $changes = $mode eq 'incremental' && defined $own->{command_column};
		if ($file->{missing})
		{
			$batch->{work}{$name} = { %{ new_work() }, absent => 1 };
			next;
		}
		return (undef, $BAD_FILE) if $file->{cut};
		my $baseline = overlay($self->{previous}{$name}, map { $_->{work}{$name}{delta} } @queue);
		my $work = $changes && $file->{read_before} ? new_work() : $changes ? net_effect($mapping, $baseline, $file, $own) : cleanse($mapping, $baseline, $file, $own);
		if ($own->{on_error} eq 'stop')
		{
			# an update of an unknown key is set aside even so
			my @fatal = grep { $_->[1] =~ /malformed|encoding|conversion/ } @{ $work->{quarantine} };
			return (undef, $BAD_FILE) if @fatal;
		}
		# of a file of changes some row must say something
		return (undef, $BAD_FILE) if $work->{unusable} && $work->{unusable} == $work->{counter}{rows_read};
		return (undef, $BAD_FILE)
		  if defined $own->{reject_limit} && @{ $work->{quarantine} } > $own->{reject_limit};
		$batch->{work}{$name} = $work;
		$batch->{source_changes} ||= $changes && !$file->{read_before};
		$batch->{forgets} = 1 if $changes && $work->{suspended};
	}
	if ($mode eq 'complete')
	{
		# The complete run stands for what it supersedes. Declined in turn, the
		# changes that only the cancelled batches knew are lost.
		for my $waiting ($self->queue)
		{
			$batch->{source_changes} ||= $waiting->{source_changes};
			$waiting->{status} = 'cancelled';
		}
	}

	push @{ $self->{batches} }, $batch;
	$batch->{number} = @{ $self->{batches} };

	# deletions that the source computed will not come again
	$self->ask_for_complete if $batch->{forgets};
	return ($batch, undef);
}

# A prepare that failed in syncup_run: recorded, but no part of the queue.
sub record_failed_prepare
{
	my ($self, $mode) = @_;
	push @{ $self->{batches} }, { mode => $mode, status => 'failed', prepared => 0, number => @{ $self->{batches} } + 1, work => {} };
	return;
}

# SPEC 6.2: every check of a batch: [mapping, counter, count, maximum, base,
# max_percentage, exceeded]. changes: by mapping, inserted, updated, deleted and
# stored_before; work: by mapping, what prepare counted.
sub checks
{
	my ($self, $changes, $work) = @_;
	my @checks;
	for my $scope (undef, map { $_->{name} } @{ $self->{mappings} })
	{
		my @counted = defined $scope ? $changes->{$scope} : values %$changes;
		for my $counter (qw(inserted updated deleted))
		{
			my ($count, $base) = (0, 0);
			for my $of (@counted)
			{
				$count += $of->{$counter};
				$base += $of->{stored_before};
			}
			my $limit = $self->{limits}{ $scope // '' }{$counter} // { maximum => 0, percentage => 0 };
			my $spared = $count < ($self->{limits}{ $scope // '' }{few} // 0) && $count * 2 < $base;
			my $exceeded = ($limit->{maximum} > 0 && $count > $limit->{maximum})
			  || ($limit->{percentage} > 0 && $count * 100 > $limit->{percentage} * $base && !$spared);
			push @checks, [ $scope, "${counter}_lines", $count, $limit->{maximum} || undef, $base, $limit->{percentage} || undef, $exceeded ? 't' : 'f' ];
		}
	}
	for my $mapping (map { $_->{name} } @{ $self->{mappings} })
	{
		my ($count, $base) = (scalar @{ $work->{$mapping}{quarantine} }, $work->{$mapping}{counter}{rows_read} - $work->{$mapping}{counter}{filtered});
		my $percentage = $self->{limits}{''}{set_aside} // 0;
		push @checks, [ $mapping, 'set_aside_lines', $count, undef, $base, $percentage || undef, $count * 100 > $percentage * $base && $percentage > 0 ? 't' : 'f' ];
	}
	return \@checks;
}

# A batch was applied: previous follows.
sub apply
{
	my ($self, $batch, $keep) = @_;
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $changes = $batch->{changes}{$name};
		my $delta = $batch->{work}{$name}{delta};
		$batch->{before}{$name} = { map { $_ => $self->{previous}{$name}{$_} } keys %$delta };
		$self->{previous}{$name} = overlay($self->{previous}{$name}, $delta);
		$self->{carried}{$name} = $changes->{stored_before} + $changes->{inserted} - $changes->{deleted};
	}
	$batch->{status} = 'applied';
	$batch->{kept} = $keep && $batch->{mode} ne 'initial';
	my $whole = !grep { $batch->{work}{$_}{absent} && %{ $self->{previous}{$_} } } keys %{ $batch->{work} };
	if ($batch->{mode} eq 'complete' && $whole && $batch->{number} > ($self->{complete_after} // 0))
	{
		$batch->{was_needed} = $self->{needs_complete};
		$self->{needs_complete} = 0;
	}
	return;
}

# Whether previous is, where the batch changed it, as the batch left it.
sub previous_is_as_left
{
	my ($self, $batch) = @_;
	for my $name (keys %{ $batch->{before} })
	{
		my $previous = $self->{previous}{$name};
		my $delta = $batch->{work}{$name}{delta};
		for my $key (keys %$delta)
		{
			my ($command, $row) = @{ $delta->{$key} };
			return 0 if $command eq 'delete' ? $previous->{$key} : !$previous->{$key} || !same($previous->{$key}, $row);
		}
	}
	return 1;
}

# An applied batch is taken back, as a batch of its own.
sub undo
{
	my ($self, $batch) = @_;
	my $undo = { mode => 'undo', status => 'applied', prepared => 1, number => @{ $self->{batches} } + 1, work => {} };
	for my $mapping (@{ $self->{mappings} })
	{
		my $name = $mapping->{name};
		my $changes = $batch->{changes}{$name};
		for my $key (keys %{ $batch->{before}{$name} })
		{
			my $row = $batch->{before}{$name}{$key};
			if ($row) { $self->{previous}{$name}{$key} = $row }
			else { delete $self->{previous}{$name}{$key} }
		}
		$undo->{work}{$name} = new_work();
		$undo->{changes}{$name} = { inserted => $changes->{deleted}, updated => $changes->{updated}, deleted => $changes->{inserted}, stored_before => $self->{carried}{$name} };
		$self->{carried}{$name} += $changes->{deleted} - $changes->{inserted};
	}
	$batch->{status} = 'undone';
	$batch->{kept} = 0;

	push @{ $self->{batches} }, $undo;

	# reading: what only the source knew is lost again, also what a complete run
	# had made good
	$self->ask_for_complete if $batch->{source_changes} || $batch->{was_needed};
	return $undo;
}

# A batch and those behind it are declined.
sub discard
{
	my ($self, $batch) = @_;
	for my $waiting (grep { $_->{number} >= $batch->{number} } $self->queue)
	{
		$waiting->{status} = 'discarded';
		$self->ask_for_complete if $waiting->{source_changes};
	}
	return;
}

1;
