# A managed system and its exports: rows that change at random, written as CSV
# files in every dialect that the reader takes, with noise that it must survive.
#
# All text is bytes in UTF-8. Everything random comes from rand(), so that a seed
# repeats it; hashes are only walked in the order of their keys.
package Export;

use strict;
use warnings;
use Encode ();
use Exporter 'import';
use IO::Compress::Gzip ();

our @EXPORT_OK = qw(pick chance mappings new_source change_source random_dialect remove_file write_extract write_changes shuffle);

# ---------- chance ----------

sub pick { return $_[ int rand @_ ] }

sub chance { return rand() < $_[0] }

# The list in random order.
sub shuffle
{
	my @list = @_;
	for my $i (reverse 1 .. $#list)
	{
		my $j = int rand($i + 1);
		@list[ $i, $j ] = @list[ $j, $i ];
	}
	return @list;
}

# ---------- the alphabets ----------

my @texts = (undef, undef, '', 'a', 'A', ' a', 'a ', 'x,y', 'x;y', "tab\tbed", 'a|b', 'say "hi"',
	'"', '""', "two\nlines", "cr\r\nlf", "lone\rcr", "caf\xc3\xa9", "cafe\xcc\x81", "\xe6\xbc\xa2",
	"\xf0\x9f\x98\x80", 'NULL', 'null', '\\.', '\\N', '\\', "'", '1', '1.0');

# Per type: values that it takes, and values that it refuses.
my %values = (
	text => [ \@texts, [] ],
	'varchar(8)' => [ [ grep { !defined || length() <= 8 } @texts, '12345678', '12345678   ' ], [ 'far too long' ] ],
	numeric => [ [ undef, '1', '1.0', '1.00', '-5', '0.5', '0.50', '1e2', '100', 'NaN' ], [ 'abc', '1,5', '--1' ] ],
	'numeric(8,2)' => [ [ undef, '1', '1.001', '1.00', '99.99', '99.994' ], [ '12345678', 'x' ] ],
	date => [ [ undef, '2026-01-01', '20260101', '2026-02-28', '2024-02-29', '1999-12-31' ], [ '2026-02-30', 'soon', '01/02/2024' ] ],
	timestamp => [ [ undef, '2026-01-01', '2026-01-01 00:00', '2026-01-01T00:00:00', '2026-06-30 12:30', '2026-06-30 12:30:00.000' ], [ 'noon-ish', '2026-01-01 25:00' ] ],
	boolean => [ [ undef, 't', 'true', 'yes', 'f', 'no', '0' ], [ 'maybe', '2' ] ],
	int => [ [ undef, '0', '7', ' 7', '+7', '-3', '13', '42' ], [ '1.5', 'x', '99999999999' ] ],
	smallint => [ [ '1', '2', '02', '3', '+3' ], [] ],
	uuid => [ [], [ 'not-a-uuid', '123' ] ]);

my @uuids = map { sprintf '%08x-0000-4000-8000-%012x', $_ * 7919, $_ } 1 .. 30;
my @codes = ('a', 'A', 'a ', ' a', ' ', 'b', 'B', "caf\xc3\xa9", "cafe\xcc\x81", "CAF\xc3\x89", '"', '"q"', 'say "hi"',
	"l1\nl2", "l1\r\nl2", "l1\rl2", 'x,y', 'x;y', "x\ty", 'NULL', 'NULL_NULL', '\\.', "\xe6\xbc\xa2\xe5\xad\x97", '0', '00',
	'long ' x 40, "'", '%s', '$1');

my %file_key = (people => 'ID', words => 'Code', items => 'nr');

# The mappings of the connector. Columns: name in the source, target column (or
# undef: stored only), its type. "stock" reads the file of "items", "parts", whose key
# has two columns, that of "words".
sub mappings
{
	return (
		{
			name => 'people', file => 'people', key => 0,
			columns => [ [ 'ID', 'id', 'uuid' ], [ 'Full Name', 'name', 'text' ], [ 'amount', 'amount', 'numeric' ], [ 'born', 'born', 'date' ], [ 'mail', undef, 'text' ] ],
		},
		{
			name => 'words', file => 'words', key => 1,
			columns => [ [ 'label', 'label', 'varchar(8)' ], [ 'Code', 'code', 'text' ], [ 'note', 'note', 'text' ], [ 'seen', 'seen', 'timestamp' ] ],
		},
		{
			name => 'items', file => 'items', key => 0,
			columns => [ [ 'nr', 'nr', 'int' ], [ 'qty', 'qty', 'int' ], [ 'price', 'price', 'numeric(8,2)' ] ],
		},
		{
			name => 'stock', file => 'items', key => 0,
			columns => [ [ 'nr', 'nr', 'int' ], [ 'active', 'active', 'boolean' ], [ 'qty', 'quantity', 'numeric' ] ],
		},
		{
			name => 'parts', file => 'words', key => [ 0, 2 ],
			columns => [ [ 'Code', 'code', 'text' ], [ 'note', 'remark', 'text' ], [ 'part', 'part', 'smallint' ] ],
		});
}

# Draws columns whose empty cells keep, and columns that a file may lack: all mappings of
# the file say so, each what becomes of the values. Result: those, by file.
sub draw_optional
{
	my (@mappings) = @_;
	my %may_lack;
	for my $file (sort keys %file_key)
	{
		my @of = grep { $_->{file} eq $file } @mappings;
		my %needed;
		for my $mapping (@of)
		{
			my @keys = map { $mapping->{columns}[$_][0] } ref $mapping->{key} ? @{ $mapping->{key} } : $mapping->{key};
			my @unmapped = map { $_->[0] } grep { !defined $_->[1] } @{ $mapping->{columns} };
			$needed{$_} = 1 for @keys, @unmapped, $mapping->{where} ? $mapping->{where}{column} : ();
			for my $column (grep { my $name = $_->[0]; defined $_->[1] && !grep { $_ eq $name } @keys } @{ $mapping->{columns} })
			{
				$mapping->{keeps}{ $column->[0] } = 1 if !$mapping->{once}{ $column->[1] } && chance(0.15);
			}
		}
		for my $column (grep { !$needed{ $_->[0] } } file_columns($file))
		{
			next if !chance(0.2);
			push @{ $may_lack{$file} }, $column->[0];
			for my $mapping (@of)
			{
				$mapping->{optional}{ $column->[0] } = pick('keep', 'keep', 'null') if grep { $_->[0] eq $column->[0] } @{ $mapping->{columns} };
			}
		}
	}
	return \%may_lack;
}

# Conditions of option "where" over a column: SQL, and what it says of a value: yes, no,
# or undef where it raises an error.
sub random_where
{
	my ($mapping) = @_;
	my $column = pick(@{ $mapping->{columns} });
	my $name = '"' . $column->[0] . '"';
	my $value = pick(grep { defined && !/'/ } @{ $values{ $column->[2] }[0] }, 'x');
	return { column => $column->[0], %{ pick(
		{ sql => "$name <> E'" . ($value =~ s/\\/\\\\/gr) . "'", holds => sub { defined $_[0] && $_[0] ne $value ? 1 : 0 } },
		{ sql => "$name IS DISTINCT FROM E'" . ($value =~ s/\\/\\\\/gr) . "'", holds => sub { !defined $_[0] || $_[0] ne $value ? 1 : 0 } },
		{ sql => "$name IS NOT NULL", holds => sub { defined $_[0] ? 1 : 0 } },
		{ sql => "coalesce($name, '') !~ '[ae1]'", holds => sub { ($_[0] // '') !~ /[ae1]/ ? 1 : 0 } },
		$column->[2] eq 'int' ? { sql => "coalesce($name, '0')::numeric >= 0", holds => sub {
			my $number = $_[0] // '0';
			return $number =~ /\A\s*[+-]?\d+(?:\.\d+)?\s*\z/ ? ($number >= 0 ? 1 : 0) : undef;
		} } : ()) } };
}

# ---------- the managed system ----------

# The columns of a file: those of its mappings, once each.
sub file_columns
{
	my ($file) = @_;
	my (%seen, @columns);
	for my $mapping (grep { $_->{file} eq $file } mappings())
	{
		push @columns, grep { !$seen{ $_->[0] }++ } @{ $mapping->{columns} };
	}
	return @columns;
}

sub random_value
{
	my ($column) = @_;
	return pick(@{ $values{ $column->[2] }[0] });
}

sub random_row
{
	my ($file, $key) = @_;
	return { (map { $_->[0] => random_value($_) } file_columns($file)), $file_key{$file} => $key };
}

# Whether the history of a seed is one of many rows.
sub is_big { return $_[0] % 5 == 2 }

# A source with some rows; size: how many keys items may have.
sub new_source
{
	my ($size) = @_;
	my $source = { keys => { people => \@uuids, words => \@codes, items => [ 1 .. $size ] }, rows => {}, dirty => {} };
	for my $file (sort keys %file_key)
	{
		my $fill = pick(0, 0.3, 0.8, 1);
		$fill = 0.9 if $file eq 'items' && $size > 1000;
		$source->{rows}{$file} = { map { $_ => random_row($file, $_) } grep { chance($fill) } @{ $source->{keys}{$file} } };
		$source->{dirty}{$file} = {};
	}
	return $source;
}

# Inserts, updates, deletes and reuses keys, some or many.
sub change_source
{
	my ($source) = @_;
	for my $file (sort keys %file_key)
	{
		my $rows = $source->{rows}{$file};
		my $keys = $source->{keys}{$file};
		for (1 .. pick(0, 0, 1, 1, 2, 3, 5, 12, int @$keys / 2))
		{
			my $key = $file eq 'words' && chance(0.1) ? 'NULL_NULL' : pick(@$keys);
			my @columns = grep { $_->[0] ne $file_key{$file} } file_columns($file);
			if (!$rows->{$key}) { $rows->{$key} = random_row($file, $key) }
			elsif (chance(0.3)) { delete $rows->{$key} }
			else
			{
				for my $column (chance(0.7) ? pick(@columns) : @columns)
				{
					$rows->{$key} = { %{ $rows->{$key} }, $column->[0] => random_value($column) };
				}
			}
			$source->{dirty}{$file}{$key} = 1;
		}
	}
	return;
}

# ---------- dialects ----------

# How the files of a step are written: what all of them share, as options.
sub random_dialect
{
	my $dialect = {
		delimiter => chance(0.5) ? ',' : pick(';', "\t", '|', ':', '||', '::', ';|', ' , ', "a\xc3\xa9"),
		quoted_empty => chance(0.6) ? 'null' : 'empty',
		skip_lines => chance(0.85) ? 0 : 2,
		nulls => chance(0.2) ? [ 'NULL', '\\N' ] : [],
		utf16 => chance(0.1) ? 1 : 0 };
	my %options;
	$options{delimiter} = $dialect->{delimiter} if $dialect->{delimiter} ne ',';
	$options{quoted_empty} = $dialect->{quoted_empty} if $dialect->{quoted_empty} ne 'null';
	$options{skip_lines} = $dialect->{skip_lines} if $dialect->{skip_lines};
	$options{encoding} = 'UTF16LE' if $dialect->{utf16};
	$options{null} = $dialect->{nulls} if @{ $dialect->{nulls} };
	$dialect->{options} = \%options;
	return $dialect;
}

# One field as text of the file.
sub render_field
{
	my ($value, $style) = @_;
	my $quote = $style->{quoting} eq 'all' || ($style->{quoting} eq 'some' && chance(0.3));

	# The empty string has a spelling of its own only where that is read as such.
	return $style->{quoted_empty} eq 'null' && $quote ? '""' : '' if !defined $value;
	return $style->{quoted_empty} eq 'empty' || $quote ? '""' : '' if $value eq '';
	$quote ||= $value =~ /["\r\n]/ || grep { index($value, $_) >= 0 } $style->{delimiter} =~ /./gs;
	return $value if !$quote;
	return '"' . $value =~ s/"/""/gr . '"';
}

# ---------- noise ----------

# A row whose bytes are broken in one of the ways a reader meets. readable: so that
# its key can still be read, as far as that can be done.
sub break_row
{
	my ($fields, $style, $key, $readable) = @_;
	my @rendered = map { render_field($_, $style) } @$fields;
	my $column = int rand @rendered;
	my @kinds = ('stray', 'after', 'open', $style->{utf16} ? () : ('byte', 'byte'));
	if ($readable)
	{
		$column = $key + 1 + int rand($#rendered - $key) if $key < $#rendered;
		@kinds = 'byte' if $key == $#rendered && !$style->{utf16};
		$column = int rand $key if $key == $#rendered;
		push @kinds, 'short', 'long' if $key == 0;
	}
	else { push @kinds, 'short', 'short', 'long', 'key only' }
	my $kind = pick(@kinds);

	if ($kind eq 'short') { pop @rendered }
	elsif ($kind eq 'long') { push @rendered, 'more' }
	elsif ($kind eq 'key only') { @rendered = $rendered[0] eq '' ? 'x' : $rendered[0] }
	elsif ($kind eq 'stray') { $rendered[$column] = pick('ab"c', 'ab"') }
	elsif ($kind eq 'after') { $rendered[$column] = '"ab"c' }
	elsif ($kind eq 'open') { $rendered[$column] = '"ab' }
	else
	{
		# no doubled quotes in such a row: which field a bad byte is in is only told without them
		@rendered = map { /""./ ? 'x' : $_ } @rendered;
		$rendered[$column] = pick("a\xff", "\xc3", "a\xe2\x82z", "\xc0\x80", chance(0.3) ? "n\0l" : "\xfe");
	}
	return join $style->{delimiter}, @rendered;
}

# Puts noise among the rows (references to arrays of fields). What is put there as
# a string is bytes, not fields. bad: also rows that a reader cannot use.
sub add_noise
{
	my ($rows, $style, $columns, $key, $bad, $command) = @_;
	my $readable = chance(0.6);
	my $count = pick(0, 0, 0, 1, 2, 3, 6);
	$count = 0 if $style->{clean};
	for (1 .. $count)
	{
		my $at = int rand(@$rows + 1);
		my $victim = @$rows ? pick(@$rows) : undef;
		my @copy = ref $victim ? @$victim : map { $_->[1] eq '-' ? 'merge' : random_value($_) } @$columns;

		# no key out of the air: " 7" and "+7" are two keys, and one value of the target
		$copy[$key] = undef if !ref $victim;
		$copy[$key] = pick('zz', '999', '"') if !defined $copy[$key];
		my $kind = pick('null key', 'same', 'different', $bad ? ('broken', 'broken', 'conversion', 'instead') : (), defined $command ? ('ghost', 'ghost') : ());
		if ($kind eq 'null key') { $copy[$key] = pick(undef, '') }
		elsif ($kind eq 'different')
		{
			my $other = int rand @$columns;
			$copy[$other] = random_value($columns->[$other]) if $other != $key && $columns->[$other][1] ne '-';
		}
		elsif ($kind eq 'conversion')
		{
			my @typed = grep { $columns->[$_][1] ne '-' && @{ $values{ $columns->[$_][2] }[1] } } 0 .. $#$columns;
			if (@typed)
			{
				my $other = pick(@typed);
				$copy[$other] = pick(@{ $values{ $columns->[$other][2] }[1] });
			}
		}
		elsif ($kind eq 'ghost')
		{
			# something is told of a key that was deleted just before
			my @deleted = grep { ref $rows->[$_] && lc $rows->[$_][$command] eq 'delete' } 0 .. $#$rows;
			next if !@deleted;
			$at = pick(@deleted);
			my @ghost = @{ $rows->[$at] };
			$ghost[$command] = 'update';
			splice @$rows, $at + 1, 0, $bad && chance(0.5) ? break_row(\@ghost, $style, $key, 1) : \@ghost;
			next;
		}
		elsif ($kind eq 'broken')
		{
			# also two in a row: where the second one begins is not certain
			splice @$rows, $at, 0, map { break_row(\@copy, $style, $key, $readable) } 1 .. pick(1, 1, 2);
			next;
		}
		elsif ($kind eq 'instead')
		{
			# a good row becomes a bad one: its key is not given otherwise
			next if !@$rows;
			$at = int rand @$rows;
			next if !ref $rows->[$at];
			$rows->[$at] = break_row($rows->[$at], $style, $key, $readable);
			next;
		}
		splice @$rows, $at, 0, \@copy;
	}
	return;
}

# Writes some keys otherwise: as another text of the same value.
sub respell_keys
{
	my ($rows, $file, $key) = @_;
	my $often = pick(0, 0, 0.05, 0.5);
	for my $row (grep { ref } @$rows)
	{
		next if !defined $row->[$key] || !chance($often);
		if ($file eq 'people') { $row->[$key] = uc $row->[$key] }
		elsif ($file eq 'items' && $row->[$key] =~ /\A\d+\z/) { $row->[$key] = pick('0', '00', '+', ' ') . $row->[$key] }
	}
	return;
}

# ---------- files ----------

# The header's columns: those of the file without some, maybe others, in any order. A
# column is [name, '-' if nobody maps it, type].
sub layout
{
	my ($file, $command, $without) = @_;
	my @columns = map { [ $_->[0], '', $_->[2] ] } grep { !$without->{ $_->[0] } } file_columns($file);
	push @columns, [ $command, '-', 'text' ] if defined $command;
	push @columns, [ 'unused', '-', 'text' ], [ 'Other', '-', 'text' ] if chance(0.3);
	@columns = shuffle(@columns) if chance(0.5);
	return @columns;
}

# Writes the file; what is returned is what there is to be read in it.
sub write_file
{
	my ($folder, $name, $columns, $rows, $dialect, $style) = @_;
	my $newline = $style->{newline};
	my $text = "skip this line\n\n" x ($dialect->{skip_lines} / 2);
	my @header = map { $_->[0] } @$columns;
	@header = map { chance(0.5) ? lc : uc } @header if chance(0.1);
	my @lines = map { ref $_ ? join($style->{delimiter}, map { render_field($_, $style) } @$_) : $_ } \@header, @$rows;
	for my $i (0 .. $#lines)
	{
		my $last = $i == $#lines;
		$text .= $lines[$i];
		$text .= $newline eq 'mixed' ? pick("\n", "\r\n", "\r") : $newline if !$last || $i == 0 || chance(0.8);
		$text .= "\n" if chance(0.005);
	}

	my $bytes = $text;
	if ($dialect->{utf16})
	{
		$bytes = Encode::encode('UTF-16LE', (chance(0.5) ? "\x{feff}" : '') . Encode::decode('UTF-8', $text));
	}
	elsif (chance(0.1)) { $bytes = "\xef\xbb\xbf$text" }
	elsif (chance(0.05) && Encode::is_utf8(my $decoded = eval { Encode::decode('UTF-8', "$text", Encode::FB_CROAK) } // ''))
	{
		# the byte order mark decides, whatever the options say
		$bytes = Encode::encode('UTF-16LE', "\x{feff}$decoded");
	}
	my $path = "$folder/$name.csv";
	remove_file($folder, $name);
	if (chance(0.1))
	{
		$path .= '.gz';
		IO::Compress::Gzip::gzip(\$bytes, $path) or die "$path: $IO::Compress::Gzip::GzipError";
	}
	else
	{
		open my $handle, '>:raw', $path or die "$path: $!";
		print $handle $bytes;
		close $handle or die "$path: $!";
	}
	return { path => $path, text => $text };
}

sub random_style
{
	my ($dialect, $clean) = @_;
	return {
		%$dialect,
		quoting => pick('minimal', 'minimal', 'some', 'all'),
		newline => pick("\n", "\n", "\r\n", "\r\n", "\r", 'mixed'),
		clean => $clean };
}

# A file that has not come.
sub remove_file
{
	my ($folder, $name) = @_;
	unlink "$folder/$name.csv", "$folder/$name.csv.gz";
	return;
}

# Writes every row of a file of the source.
sub write_extract
{
	my ($folder, $name, $source, $file, $dialect, %args) = @_;
	my $style = random_style($dialect, $args{clean});
	my @columns = layout($file, $args{command}, $args{without});
	my @keys = sort keys %{ $source->{rows}{$file} };
	@keys = shuffle(@keys) if chance(0.5);
	my @rows;
	for my $key (@keys)
	{
		my $row = $source->{rows}{$file}{$key};
		push @rows, [ map { $_->[1] eq '-' ? pick('', 'x', 'insert', '"') : $row->{ $_->[0] } } @columns ];
	}
	my ($key) = grep { $columns[$_][0] eq $file_key{$file} } 0 .. $#columns;
	add_noise(\@rows, $style, \@columns, $key, $args{bad});
	respell_keys(\@rows, $file, $key) if !$args{clean};
	return write_file($folder, $name, \@columns, \@rows, $dialect, $style);
}

# A word for a command, written in any case.
sub spell
{
	my ($command) = @_;
	my $word = $command eq 'insert' ? pick('insert', 'add') : $command eq 'update' ? pick('update', 'modify') : $command;
	return pick(lc $word, lc $word, uc $word, ucfirst $word);
}

# Writes what changed in a file of the source since it was told last.
sub write_changes
{
	my ($folder, $name, $source, $file, $dialect, %args) = @_;
	my $style = random_style($dialect, $args{clean});
	my @columns = layout($file, $args{command}, $args{without});
	my @keys = shuffle(sort keys %{ $source->{dirty}{$file} });
	my @rows;

	# A row that makes the row so; known: what need not be said.
	my $make = sub {
		my ($command, $key, $row, $known) = @_;
		return [
			map {
				my $column = $_;
				$column->[0] eq $args{command} ? spell($command)
				  : $column->[0] eq $file_key{$file} ? $key
				  : !$row && $column->[2] eq 'smallint' ? pick(undef, '1', '2', '3')
				  : $column->[1] eq '-' || !$row ? pick(undef, 'x')
				  : $known && ($row->{ $column->[0] } // '') eq ($known->{ $column->[0] } // '') && defined $row->{ $column->[0] } == defined $known->{ $column->[0] } && chance(0.8) ? undef
				  : !defined $row->{ $column->[0] } || ($row->{ $column->[0] } eq '' && $style->{quoted_empty} eq 'null') ? ($command eq 'insert' ? undef : 'NULL_NULL')
				  : $row->{ $column->[0] }
			} @columns ];
	};
	for my $key (@keys)
	{
		my $row = $source->{rows}{$file}{$key};

		# what happened on the way, then what is so now
		for (1 .. pick(0, 0, 0, 1, 2))
		{
			my $command = pick('insert', 'update', 'delete', 'merge');
			push @rows, $make->($command, $key, random_row($file, $key));
		}
		if ($row && chance(0.3))
		{
			# in two steps; what the second one does not name is as the first one says
			my %half = map { $_ => chance(0.5) ? random_row($file, $key)->{$_} : $row->{$_} } sort keys %$row;
			push @rows, $make->('insert', $key, \%half), $make->(pick('update', 'merge'), $key, $row, \%half);
			next;
		}
		push @rows, $make->($row ? pick('insert', 'merge') : 'delete', $key, $row);
	}
	for (1 .. ($style->{clean} ? 0 : pick(0, 0, 1, 3)))
	{
		# of any key, known or not; the source is so from now on
		my $key = pick(@{ $source->{keys}{$file} });
		my $command = pick('update', 'update', 'merge', 'delete');
		my $now = $source->{rows}{$file}{$key};
		next if $source->{dirty}{$file}{$key};
		if ($command eq 'delete')
		{
			delete $source->{rows}{$file}{$key};
			push @rows, $make->($command, $key);
			next;
		}
		my $row = random_row($file, $key);
		$row = { %$row, map { $_ => $now->{$_} } grep { chance(0.6) } sort keys %$now } if $now;
		$source->{rows}{$file}{$key} = $row if $now || $command eq 'merge';
		push @rows, $make->($command, $key, $row, $now);
	}
	my ($key) = grep { $columns[$_][0] eq $file_key{$file} } 0 .. $#columns;
	my ($command) = grep { $columns[$_][0] eq $args{command} } 0 .. $#columns;
	add_noise(\@rows, $style, \@columns, $key, $args{bad}, $command);
	respell_keys(\@rows, $file, $key) if !$args{clean};
	if ($args{bad} && @rows && chance(0.3))
	{
		my $row = pick(@rows);
		$row->[$command] = pick('', 'upsert', ' insert', 'remove') if ref $row;
	}
	return write_file($folder, $name, \@columns, \@rows, $dialect, $style);
}

1;
