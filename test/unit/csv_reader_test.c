/*
 * csv_reader_test.c
 *		Unit tests of the CSV reader.
 *
 * Each case gives a dialect, a file and what the reader must tell of it, one
 * item for a row:
 *
 *		3 [a][b]~			line 3 is a row; ~ is a null field
 *		3 !stray/1 [a] {x}	line 3 is a fault at field 1, raw text x
 *		3 ?few/1 [a] {x}	the same, but not anchored
 *
 * and a fault found on another line than the row's has @line after its kind.
 * In values and raw text LF, CR and NUL are shown as \n, \r and \0.  Every
 * case is run with the file cut into reads of different sizes.
 */
#include "csv/csv_reader.h"

#include <csv.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

typedef struct Case
{
	const char *name;
	CsvDialect	dialect;
	int			expected;
	size_t		max_row;		/* 0: no limit */
	int			skip_lines;
	const char *file;
	size_t		size;
	const char *rows;
} Case;

typedef struct Source
{
	const char *data;
	size_t		size;
	size_t		at;
	size_t		cut;			/* longest read in bytes, 0: any */
} Source;

typedef struct Text
{
	char	   *data;
	size_t		length;
	size_t		capacity;
} Text;

#define STRICT		{.delimiter = ',', .quote = '"', .escape = '"'}
#define LENIENT		{.delimiter = ',', .quote = '"', .escape = '"', .lenient = true}
#define BACKSLASH	{.delimiter = ',', .quote = '"', .escape = '\\'}
#define BACKSLASH_LENIENT \
	{.delimiter = ',', .quote = '"', .escape = '\\', .lenient = true}
#define UNQUOTED	{.delimiter = ','}
#define EMPTY_NULL \
	{.delimiter = ',', .quote = '"', .escape = '"', .quoted_empty_null = true}
#define TRIM \
	{.delimiter = ',', .quote = '"', .escape = '"', .trim = " \xC2\xA0"}
#define TRIM_EMPTY_NULL \
	{.delimiter = ',', .quote = '"', .escape = '"', .trim = " \xC2\xA0", .quoted_empty_null = true}
#define SHORT_ROWS	{.delimiter = ',', .quote = '"', .escape = '"', .short_rows = true}
#define PIPES	{.delimiter_text = "||", .quote = '"', .escape = '"'}
#define PIPES_LENIENT	{.delimiter_text = "||", .quote = '"', .escape = '"', .lenient = true}
#define PIPES_UNQUOTED	{.delimiter_text = "||"}
#define ARROW	{.delimiter_text = "<=~|~=>\x1F", .quote = '"', .escape = '\\', .trim = " \x1D"}
#define SEMICOLON	{.delimiter = ';', .quote = '\'', .escape = '\''}

#define FILE_TEXT(s) s, sizeof(s) - 1

static const Case cases[] = {
	/* line ends and empty lines */
	{"LF", STRICT, 0, 0, 0, FILE_TEXT("a,b\nc,d\n"), "1 [a][b]|2 [c][d]|"},
	{"CRLF", STRICT, 0, 0, 0, FILE_TEXT("a,b\r\nc,d\r\n"), "1 [a][b]|2 [c][d]|"},
	{"CR", STRICT, 0, 0, 0, FILE_TEXT("a,b\rc,d\r"), "1 [a][b]|2 [c][d]|"},
	{"mixed line ends", STRICT, 0, 0, 0, FILE_TEXT("a\rb\nc\r\nd\n\re"),
	"1 [a]|2 [b]|3 [c]|4 [d]|6 [e]|"},
	{"no last newline", STRICT, 0, 0, 0, FILE_TEXT("a,b\nc,d"), "1 [a][b]|2 [c][d]|"},
	{"no last newline, quoted", STRICT, 0, 0, 0, FILE_TEXT("\"a\",\"b\""), "1 [a][b]|"},
	{"no last newline, last field empty", STRICT, 0, 0, 0, FILE_TEXT("a,"), "1 [a]~|"},
	{"nothing", STRICT, 0, 0, 0, FILE_TEXT(""), ""},
	{"only line ends", STRICT, 2, 0, 0, FILE_TEXT("\n\r\n\r\r\n"), ""},
	{"empty lines are counted", STRICT, 2, 0, 0, FILE_TEXT("\n\r\na,b\n\n\rc,d\n\n"),
	"3 [a][b]|6 [c][d]|"},
	{"LF CR is two line ends", STRICT, 0, 0, 0, FILE_TEXT("a\n\rb"), "1 [a]|3 [b]|"},

	/* fields */
	{"empty is null", STRICT, 0, 0, 0, FILE_TEXT(",\na,,b\n"), "1 ~~|2 [a]~[b]|"},
	{"quoted empty is not null", STRICT, 0, 0, 0, FILE_TEXT("\"\",,x\n"), "1 []~[x]|"},
	{"quoted empty is null", EMPTY_NULL, 0, 0, 0, FILE_TEXT("\"\",,x\n"), "1 ~~[x]|"},
	{"quoted empty beside an escape", STRICT, 0, 0, 0, FILE_TEXT("\"\",,\"\"\"\"\n"), "1 []~[\"]|"},
	{"quoted null beside an escape", EMPTY_NULL, 0, 0, 0, FILE_TEXT("\"\",,\"\"\"\"\n"), "1 ~~[\"]|"},
	{"blanks are kept", STRICT, 0, 0, 0, FILE_TEXT(" a ,\" b \", \n"), "1 [ a ][ b ][ ]|"},
	{"blanks are kept beside an escape", STRICT, 0, 0, 0, FILE_TEXT(" a ,\" \"\" \",\t\n"),
	"1 [ a ][ \" ][\t]|"},
	{"doubled quotes", STRICT, 0, 0, 0, FILE_TEXT("\"a\"\"b\",\"\"\"\",\"\"\"x\"\"\"\n"),
	"1 [a\"b][\"][\"x\"]|"},
	{"delimiter in quotes", STRICT, 0, 0, 0, FILE_TEXT("\"a,b\",c\n"), "1 [a,b][c]|"},
	{"newlines in quotes", STRICT, 0, 0, 0, FILE_TEXT("\"a\nb\r\nc\rd\",e\nf,g\n"),
	"1 [a\\nb\\r\\nc\\rd][e]|5 [f][g]|"},
	{"newlines in quotes beside an escape", STRICT, 0, 0, 0, FILE_TEXT("\"a\r\n\"\"b\",e\nf,g\n"),
	"1 [a\\r\\n\"b][e]|3 [f][g]|"},
	{"NUL is data", STRICT, 0, 0, 0, FILE_TEXT("a\0b,\"\0\"\n"), "1 [a\\0b][\\0]|"},
	{"backslash dot is data", STRICT, 0, 0, 0, FILE_TEXT("\\.\n\\.,x\n"), "1 [\\.]|2 [\\.][x]|"},
	{"other delimiter and quote", SEMICOLON, 0, 0, 0, FILE_TEXT("'a;''b';\"c,d\"\n"),
	"1 [a;'b][\"c,d\"]|"},
	{"no quoting", UNQUOTED, 0, 0, 0, FILE_TEXT("\"a,b\",'c\n\"\"\n"), "1 [\"a][b\"]['c]|2 [\"\"]|"},
	{"no quoting, NUL", UNQUOTED, 0, 0, 0, FILE_TEXT("\0a,\0\n\0b"), "1 [\\0a][\\0]|2 [\\0b]|"},
	{"any width", STRICT, 0, 0, 0, FILE_TEXT("a\nb,c\n"), "1 [a]|2 [b][c]|"},
	{"longer than a search block", STRICT, 2, 0, 0,
		FILE_TEXT("0123456789012345678901234567890123456789012345678901234567890123456789,"
				  "\"0123456789012345678901234567890123456789012345678901234567890123456789\"\n"),
	"1 [0123456789012345678901234567890123456789012345678901234567890123456789]"
	"[0123456789012345678901234567890123456789012345678901234567890123456789]|"},

	/* delimiters of several bytes */
	{"several bytes", PIPES, 0, 0, 0, FILE_TEXT("a||b\n\"c||d\"||\"\"\n||\r\n"), "1 [a][b]|2 [c||d][]|3 ~~|"},
	{"the leftmost match", PIPES, 0, 0, 0, FILE_TEXT("a|||b\n||||\n|||||\na|\n|"),
	"1 [a][|b]|2 ~~~|3 ~~[|]|4 [a|]|5 [|]|"},
	{"several bytes behind a quote", PIPES, 0, 0, 0, FILE_TEXT("\"a\"|||b\n"), "1 [a][|b]|"},
	{"several bytes, escaped quotes", PIPES, 0, 0, 0, FILE_TEXT("\"a\"\"||b\"||c\n"), "1 [a\"||b][c]|"},
	{"several bytes, faults", PIPES, 2, 0, 0, FILE_TEXT("a||\"b\"|c\na||b||c\na|b\n\"x\n||y||z\na||b\n"),
	"1 !stray/1 [a]{a||\"b\"|c}|2 ?many/2 [a][b][c]{a||b||c}|3 ?few/1 [a|b]{a|b}|4 ?open/0 {\"x}|5 ?many/2 ~[y][z]{||y||z}|6 [a][b]|"},
	{"several bytes, lenient", PIPES_LENIENT, 0, 0, 0, FILE_TEXT("a\"b||\"c\"d\"||e\n"), "1 [a\"b][c\"d][e]|"},
	{"several bytes, no quoting", PIPES_UNQUOTED, 0, 0, 0, FILE_TEXT("\"a||b\"\n"), "1 [\"a][b\"]|"},
	{"several bytes beside those that stand for them", PIPES, 0, 0, 0, FILE_TEXT("\x1F||\x1E\x1F\x1E||\"\x1D\x1C||\x1F\"\n\x1E"),
	"1 [\x1F][\x1E\x1F\x1E][\x1D\x1C||\x1F]|2 [\x1E]|"},
	{"eight bytes", ARROW, 0, 0, 0, FILE_TEXT("a<=~|~=>\x1F\"b\\\"<=~|~=>\x1F\"<=~|~=>\x1F c <=~|~=>\n"),
	"1 [a][b\"<=~|~=>\x1F][c <=~|~=>]|"},
	{"several bytes, a row too long as it is in the file", PIPES, 0, 9, 0, FILE_TEXT("\"||||||||\"\na||b\n"),
	"1 !long/0 {\"||||||||}|2 [a][b]|"},
	{"several bytes, lines skipped", PIPES, 0, 0, 1, FILE_TEXT("x||\"\na||b\n"), "2 [a][b]|"},

	/* escape characters */
	{"escaped quote", BACKSLASH, 0, 0, 0, FILE_TEXT("\"a\\\"b\",\"\\\\\",\"\\\"\"\n"),
	"1 [a\"b][\\][\"]|"},
	{"escape before anything else", BACKSLASH, 0, 0, 0, FILE_TEXT("\"a\\nb\\,\",c\\d\n"),
	"1 [a\\nb\\,][c\\d]|"},
	{"escape outside quotes", BACKSLASH, 0, 0, 0, FILE_TEXT("a\\,\\\\,\"\\\\\"\n"),
	"1 [a\\][\\\\][\\]|"},
	{"escape, empty fields", BACKSLASH, 0, 0, 0, FILE_TEXT(",\"\",\"\\\"\",\n"), "1 ~[][\"]~|"},
	{"doubled quote is not an escape", BACKSLASH, 0, 0, 0, FILE_TEXT("\"a\"\"b\"\n"),
	"1 !stray/0 {\"a\"\"b\"}|"},
	{"escaped last quote", BACKSLASH, 0, 0, 0, FILE_TEXT("x,\"a\\\""), "1 !end/1 [x]{x,\"a\\\"}|"},
	{"escape at the end", BACKSLASH, 0, 0, 0, FILE_TEXT("x,\"a\\"), "1 !end/1 [x]{x,\"a\\}|"},
	{"lenient with an escape", BACKSLASH_LENIENT, 0, 0, 0, FILE_TEXT("\"a\"\"b\\\"\",\"c\"d\"\n"),
	"1 [a\"\"b\"][c\"d]|"},

	/* trimming */
	{"trim", TRIM, 0, 0, 0, FILE_TEXT(" a b \xC2\xA0,\"\xC2\xA0 c \",\xC2\xA9 \n"),
	"1 [a b][c][\xC2\xA9]|"},
	{"trim to nothing", TRIM, 0, 0, 0, FILE_TEXT(" \xC2\xA0,\" \",x\n"), "1 ~[][x]|"},
	{"trim to nothing, quoted null", TRIM_EMPTY_NULL, 0, 0, 0, FILE_TEXT(" ,\" \",x\n"), "1 ~~[x]|"},
	{"trim beside an escape", TRIM, 0, 0, 0, FILE_TEXT(" a ,\" \"\" \",\" \", \n"), "1 [a][\"][]~|"},
	{"blanks around quotes", TRIM, 0, 0, 0, FILE_TEXT(" \"a\",\"b\" ,  \"c,\n\"\"d\"  \n \"e\" "), "1 [a][b][c,\\n\"d]|3 [e]|"},
	{"text after quotes and blanks", TRIM, 0, 0, 0, FILE_TEXT(" \"a\" x\nb\n"), "1 !stray/0 { \"a\" x}|2 [b]|"},
	{"blanks before no quote", TRIM, 0, 0, 0, FILE_TEXT("  a , b\" \n"), "1 !stray/1 [a]{  a , b\" }|"},

	/* short rows */
	{"short rows", SHORT_ROWS, 3, 0, 0, FILE_TEXT("a,b,c\nd,e\n\nf\n"), "1 [a][b][c]|2 [d][e]|4 [f]|"},

	/* stray quotes, strict */
	{"quote in an unquoted field", STRICT, 2, 0, 0, FILE_TEXT("a,5\" pipe\nb,c\n"),
	"1 !stray/1 [a]{a,5\" pipe}|2 [b][c]|"},
	{"text after a closing quote", STRICT, 2, 0, 0, FILE_TEXT("\"a\"x,b\nc,d\n"),
	"1 !stray/0 {\"a\"x,b}|2 [c][d]|"},
	{"blank after a closing quote", STRICT, 2, 0, 0, FILE_TEXT("\"a\" ,b\nc,d\n"),
	"1 !stray/0 {\"a\" ,b}|2 [c][d]|"},
	{"quote after a blank", STRICT, 2, 0, 0, FILE_TEXT("a, \"b\"\n"), "1 !stray/1 [a]{a, \"b\"}|"},
	{"fields before a fault are unescaped", STRICT, 3, 0, 0, FILE_TEXT("\"a\"\"\",,\"x\"y\n"),
	"1 !stray/2 [a\"]~{\"a\"\"\",,\"x\"y}|"},
	{"nothing before a fault to unescape", STRICT, 2, 0, 0, FILE_TEXT(",\"a\"\"\"x\n"),
	"1 !stray/1 ~{,\"a\"\"\"x}|"},
	{"stray quote on a later line", STRICT, 2, 0, 0, FILE_TEXT("\"a\nb\",\"c\"d\ne,f\n"),
	"1 !stray@2/1 [a\\nb]{\"a}|2 ?stray/0 {b\",\"c\"d}|3 [e][f]|"},

	/* lenient */
	{"lenient unquoted", LENIENT, 2, 0, 0, FILE_TEXT("5\" pipe,a\"\"b\"\n"), "1 [5\" pipe][a\"\"b\"]|"},
	{"lenient quoted", LENIENT, 2, 0, 0, FILE_TEXT("\"the \"big\" one\",\"a\"b\n"),
	"1 !stray/1 [the \"big\" one]{\"the \"big\" one\",\"a\"b}|"},
	{"lenient quoted, well closed", LENIENT, 2, 0, 0, FILE_TEXT("\"the \"big\" one\",\"a\"b\"\n"),
	"1 [the \"big\" one][a\"b]|"},
	{"lenient doubled", LENIENT, 2, 0, 0, FILE_TEXT("\"a\"\"b \"c\" d\",\"\"\"\"\n"),
	"1 [a\"b \"c\" d][\"]|"},
	{"lenient blanks", LENIENT, 2, 0, 0, FILE_TEXT("\"a\" ,\"b\"\n"), "1 !few/1 [a\" ,\"b]{\"a\" ,\"b\"}|"},
	{"lenient stray before a line end", LENIENT, 2, 0, 0, FILE_TEXT("x,\"a\"b\nc\",d\ne,f\n"),
	"1 !stray/1 [x]{x,\"a\"b}|2 [c\"][d]|3 [e][f]|"},
	{"lenient stray after a line end", LENIENT, 2, 0, 0, FILE_TEXT("x,\"a\nb\"c\",d\ne,f\n"),
	"1 !stray@2/1 [x]{x,\"a}|2 [b\"c\"][d]|3 [e][f]|"},
	{"lenient newline in quotes", LENIENT, 2, 0, 0, FILE_TEXT("\"a\nb\",\"c\"\"d\"\n"),
	"1 [a\\nb][c\"d]|"},
	{"lenient at the end of the file", LENIENT, 2, 0, 0, FILE_TEXT("a,\"b\"c\""), "1 [a][b\"c]|"},
	{"lenient without an end", LENIENT, 2, 0, 0, FILE_TEXT("a,\"b\"c"), "1 !end/1 [a]{a,\"b\"c}|"},

	/* widths */
	{"too few", STRICT, 3, 0, 0, FILE_TEXT("a,b\nc,d,e\n"), "1 !few/2 [a][b]{a,b}|2 [c][d][e]|"},
	{"too many", STRICT, 2, 0, 0, FILE_TEXT("a,b,\"\"\"c\"\nd,e\n"),
	"1 !many/2 [a][b][\"c]{a,b,\"\"\"c\"}|2 [d][e]|"},
	{"ragged rows cost just themselves", STRICT, 2, 0, 0, FILE_TEXT("a\nb,c,d\n\ne\nf,\"g\nh\"\n"),
	"1 !few/1 [a]{a}|2 !many/2 [b][c][d]{b,c,d}|4 !few/1 [e]{e}|5 [f][g\\nh]|"},
	{"ragged over lines", STRICT, 3, 0, 0, FILE_TEXT("a,\"b\nc,d,e\nf\"\ng,h,i\n"),
	"1 !few/2 [a][b\\nc,d,e\\nf]{a,\"b}|2 [c][d][e]|3 !stray/0 {f\"}|4 [g][h][i]|"},

	/* recovery */
	{"unterminated, rows follow", STRICT, 2, 0, 0, FILE_TEXT("a,\"b\nc,d\n\ne\nf,g\n"),
	"1 !open/1 [a]{a,\"b}|2 [c][d]|4 !few/1 [e]{e}|5 [f][g]|"},
	{"unterminated at the end", STRICT, 2, 0, 0, FILE_TEXT("a,b\nc,\"d"), "1 [a][b]|2 !end/1 [c]{c,\"d}|"},
	{"unterminated, only ragged lines follow", STRICT, 3, 0, 0, FILE_TEXT("a,b,\"c\nd\ne,f\n"),
	"1 !end/2 [a][b]{a,b,\"c}|2 ?few/1 [d]{d}|3 ?few/2 [e][f]{e,f}|"},
	{"the line of the open quote", STRICT, 2, 0, 0, FILE_TEXT("\"a\nb\",\"c\nd\n"),
	"1 !end@2/1 [a\\nb]{\"a}|2 ?stray/0 {b\",\"c}|3 ?few/1 [d]{d}|"},
	{"recovery wants the width", STRICT, 2, 0, 0, FILE_TEXT("\"a\"b,c\nd\ne,f,g\nh,i\n"),
	"1 !stray/0 {\"a\"b,c}|2 ?few/1 [d]{d}|3 ?many/2 [e][f][g]{e,f,g}|4 [h][i]|"},
	{"recovery over several lines", STRICT, 2, 0, 0, FILE_TEXT("\"a\"b,c\n\"d\ne\",f\ng,h\n"),
	"1 !stray/0 {\"a\"b,c}|2 [d\\ne][f]|4 [g][h]|"},
	{"recovery with any width", STRICT, 0, 0, 0, FILE_TEXT("\"a\"b,c\nd\n"),
	"1 !stray/0 {\"a\"b,c}|2 [d]|"},
	{"one bad quote in a file of quotes", STRICT, 2, 0, 0,
		FILE_TEXT("\"1\",\"a\n\"2\",\"b\"\n\"3\",\"c\"\n"),
	"1 !stray@2/1 [1]{\"1\",\"a}|2 [2][b]|3 [3][c]|"},
	{"passed over", LENIENT, 3, 0, 0, FILE_TEXT("a,\"b\nx\",y,\"z\nx\",y,\"z\n1,2,3\n"),
	"1 !open@3/5 [a][b\\nx][y][z\\nx][y]{a,\"b}|2 ?over/2 [x\"][y]{x\",y,\"z}|"
	"3 ?over/2 [x\"][y]{x\",y,\"z}|4 [1][2][3]|"},
	{"attempts stop at too many fields", LENIENT, 3, 0, 0,
		FILE_TEXT("\"a\"b\nx\",y,\"z\nx\",y,\"z\nx\",y\n"),
	"1 !stray/0 {\"a\"b}|2 ?many/3 [x\"][y][z\\nx][y]{x\",y,\"z}|"
	"3 ?many/3 [x\"][y][z\\nx][y]{x\",y,\"z}|4 ?few/2 [x\"][y]{x\",y}|"},
	{"fault anchored again", STRICT, 2, 0, 0, FILE_TEXT("\"a\"b\nc\nd,e\nf\n"),
	"1 !stray/0 {\"a\"b}|2 ?few/1 [c]{c}|3 [d][e]|4 !few/1 [f]{f}|"},

	/* long rows */
	{"as long as allowed", STRICT, 2, 5, 0, FILE_TEXT("ab,cd\r\nab,c\r\n"), "1 [ab][cd]|2 [ab][c]|"},
	{"longer than allowed", STRICT, 2, 5, 0, FILE_TEXT("ab,cde\r\nab,c\r\n"),
	"1 !long/1 [ab]{ab,cd}|2 [ab][c]|"},
	{"far longer than allowed", STRICT, 2, 5, 0, FILE_TEXT("ab,cdefghijklmnopqr\"stuvwx\ny,z\n"),
	"1 !long/1 [ab]{ab,cd}|2 [y][z]|"},
	{"one byte too long, CR at the end of the window", STRICT, 2, 5, 0, FILE_TEXT("ab,cde\rx,y\r"),
	"1 !long/1 [ab]{ab,cd}|2 [x][y]|"},
	{"one byte too long, CR LF over the end of the window", STRICT, 2, 5, 0, FILE_TEXT("ab,cde\r\nx,y\r\n"),
	"1 !long/1 [ab]{ab,cd}|2 [x][y]|"},
	{"one byte too long, CR at the end of the window and of the file", STRICT, 2, 5, 0, FILE_TEXT("ab,cde\r"),
	"1 !long/1 [ab]{ab,cd}|"},
	{"quoted, CR at the end of the window", STRICT, 2, 5, 0, FILE_TEXT("a,\"bc\"\rx,y\r"),
	"1 !long/1 [a]{a,\"bc}|2 [x][y]|"},
	{"just long enough, CR LF at the end of the window", STRICT, 2, 5, 0, FILE_TEXT("ab,cd\r\nx,y\r\n"),
	"1 [ab][cd]|2 [x][y]|"},
	{"too long without a line end", STRICT, 2, 5, 0, FILE_TEXT("ab,cde"), "1 !long/1 [ab]{ab,cd}|"},
	{"too long, of several lines", STRICT, 2, 9, 0, FILE_TEXT("a,\"b\nc,d\ne,f\ng,h\n\"\n"),
	"1 !long/1 [a]{a,\"b}|2 [c][d]|3 [e][f]|4 [g][h]|5 !end/0 {\"}|"},
	{"too long, escaped", STRICT, 2, 8, 0, FILE_TEXT("\"\"\"\",\"\"\"a\"\nb,c\n"),
	"1 !long/1 [\"]{\"\"\"\",\"\"\"}|2 [b][c]|"},
	{"one byte too long, escaped", STRICT, 2, 9, 0, FILE_TEXT("\"\"\"\",\"\"\"a\"\nb,c\n"),
	"1 !long/1 [\"]{\"\"\"\",\"\"\"a}|2 [b][c]|"},

	/* skipping lines */
	{"skip lines", STRICT, 2, 0, 3, FILE_TEXT("one \"\n\r\n\"three\na,b\n"), "4 [a][b]|"},
	{"skip more lines than there are", STRICT, 2, 0, 9, FILE_TEXT("a,b\nc,d"), "skipped 2|"},
};

static int	passed;
static int	failed;

/* Counts a result and shows what was wrong. */
static void
expect(bool good, const char *name, size_t cut, const char *wanted, const char *got)
{
	if (good)
	{
		passed++;
		return;
	}
	failed++;
	printf("FAILED: %s, reads of %zu\n  wanted %s\n  got    %s\n", name, cut, wanted, got);
}

/* Ends the program instead of returning NULL. */
static void *
resize(void *pointer, size_t size)
{
	void	   *p = realloc(pointer, size);

	if (p == NULL)
		abort();
	return p;
}

/* The same for a new piece. */
static void *
allocate(size_t size)
{
	return resize(NULL, size);
}

static const CsvMemory memory = {allocate, resize, free};

/* Appends bytes to a text and terminates it. */
static void
append(Text *text, const char *bytes, size_t length)
{
	if (text->length + length + 1 > text->capacity)
	{
		text->capacity = 2 * (text->length + length + 1);
		text->data = resize(text->data, text->capacity);
	}
	if (length > 0)
		memcpy(text->data + text->length, bytes, length);
	text->length += length;
	text->data[text->length] = '\0';
}

/* Appends formatted text. */
static void
append_format(Text *text, const char *format, ...)
{
	char		buffer[128];
	va_list		arguments;

	va_start(arguments, format);
	vsnprintf(buffer, sizeof(buffer), format, arguments);
	va_end(arguments);
	append(text, buffer, strlen(buffer));
}

/* Appends bytes between two brackets, line ends and NUL made visible. */
static void
append_shown(Text *text, const char *brackets, const char *bytes, size_t length)
{
	append(text, brackets, 1);
	for (size_t i = 0; i < length; i++)
	{
		if (bytes[i] == '\n')
			append(text, "\\n", 2);
		else if (bytes[i] == '\r')
			append(text, "\\r", 2);
		else if (bytes[i] == '\0')
			append(text, "\\0", 2);
		else
			append(text, bytes + i, 1);
	}
	append(text, brackets + 1, 1);
}

/* Appends the fields of a row. */
static void
append_fields(Text *text, const CsvField *fields, int nfields)
{
	for (int i = 0; i < nfields; i++)
	{
		if (fields[i].data == NULL)
			append(text, "~", 1);
		else
			append_shown(text, "[]", fields[i].data, fields[i].length);
	}
}

/* Gives the reader its next bytes. */
static size_t
read_source(void *arg, char *buffer, size_t capacity)
{
	Source	   *source = arg;
	size_t		n = source->size - source->at;

	if (n > capacity)
		n = capacity;
	if (source->cut > 0 && n > source->cut)
		n = source->cut;
	memcpy(buffer, source->data + source->at, n);
	source->at += n;
	return n;
}

/* Reads a file and shows all its rows, in the notation of the file's head. */
static void
show_file(const Case *test, size_t cut, Text *shown)
{
	static const char *const kinds[] = {
		"ok", "stray", "open", "end", "few", "many", "long", "over"
	};
	Source		source = {test->file, test->size, 0, cut};
	size_t		max_row = test->max_row > 0 ? test->max_row : 1 << 20;
	CsvReader  *reader = csv_reader_open(&test->dialect, read_source, &source, &memory, max_row);
	CsvStatus	status;
	CsvRow		row;
	int			skipped = 0;

	append(shown, "", 0);
	csv_reader_expect(reader, test->expected);
	while (skipped < test->skip_lines && csv_reader_skip_line(reader))
		skipped++;
	if (skipped < test->skip_lines)
		append_format(shown, "skipped %d|", skipped);
	while ((status = csv_reader_next(reader, &row)) != CSV_END)
	{
		append_format(shown, "%d ", (int) row.line);
		if (status == CSV_FAULT)
		{
			append_format(shown, "%c%s", row.anchored ? '!' : '?', kinds[row.fault]);
			if (row.fault_line != row.line)
				append_format(shown, "@%d", (int) row.fault_line);
			append_format(shown, "/%d ", row.fault_field);
		}
		append_fields(shown, row.fields, row.nfields);
		if (status == CSV_FAULT)
			append_shown(shown, "{}", row.raw, row.raw_length);
		append(shown, "|", 1);
	}
	if (source.at != test->size)
		append_format(shown, "read %d bytes", (int) source.at);
	csv_reader_close(reader);
}

/* Runs the table of cases. */
static void
test_cases(void)
{
	static const size_t cuts[] = {0, 1, 2, 3, 7};

	for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++)
	{
		for (size_t k = 0; k < sizeof(cuts) / sizeof(cuts[0]); k++)
		{
			Text		shown = {0};

			show_file(&cases[i], cuts[k], &shown);
			expect(strcmp(shown.data, cases[i].rows) == 0, cases[i].name, cuts[k],
				   cases[i].rows, shown.data);
			free(shown.data);
		}
	}
}

/* Returns a small pseudo-random number below a bound; the same in each run. */
static unsigned
random_below(unsigned bound)
{
	static uint64_t state = 88172645463325252u;

	state ^= state << 13;
	state ^= state >> 7;
	state ^= state << 17;
	return (unsigned) (state >> 33) % bound;
}

/* Shows a field that libcsv gives. */
static void
show_field(void *data, size_t length, void *arg)
{
	CsvField	field = {data, length};

	append_fields(arg, &field, 1);
}

/* Shows the end of a record that libcsv gives. */
static void
show_record(int c, void *arg)
{
	(void) c;
	append(arg, "|", 1);
}

/* Tells libcsv to keep blanks. */
static int
no_space(unsigned char c)
{
	(void) c;
	return 0;
}

/*
 * Compares the reader with libcsv alone, on random files of an alphabet that
 * meets every state; those that libcsv refuses are left out.
 */
static void
test_against_libcsv(void)
{
	static const char alphabet[] = "ab,,\"\"\"\n\r ";
	int			compared = 0;

	for (int round = 0; round < 200000; round++)
	{
		char		file[40];
		Text		wanted = {0};
		Text		got = {0};
		Case		test = {.dialect = STRICT, .file = file};
		struct csv_parser parser;
		bool		good;

		test.size = random_below(sizeof(file));
		for (size_t i = 0; i < test.size; i++)
			file[i] = alphabet[random_below(sizeof(alphabet) - 1)];

		append(&wanted, "", 0);
		csv_init(&parser, CSV_STRICT | CSV_STRICT_FINI | CSV_EMPTY_IS_NULL);
		csv_set_space_func(&parser, no_space);
		good = csv_parse(&parser, file, test.size, show_field, show_record, &wanted) == test.size &&
			csv_fini(&parser, show_field, show_record, &wanted) == 0;
		csv_free(&parser);

		if (good)
		{
			Source		source = {file, test.size, 0, random_below(5)};
			CsvReader  *reader = csv_reader_open(&test.dialect, read_source, &source, &memory, 1000);
			CsvStatus	status;
			CsvRow		row;

			append(&got, "", 0);
			while ((status = csv_reader_next(reader, &row)) != CSV_END)
			{
				append_fields(&got, row.fields, row.nfields);
				append(&got, status == CSV_ROW ? "|" : "fault", status == CSV_ROW ? 1 : 5);
			}
			csv_reader_close(reader);
			compared++;
			expect(strcmp(wanted.data, got.data) == 0, "as libcsv", source.cut,
				   wanted.data, got.data);
		}
		free(wanted.data);
		free(got.data);
	}
	expect(compared > 10000, "enough random files are well-formed", 0, "more than 10000", "fewer");
}

/* Puts a text in the place of every comma. */
static void
replace_commas(const char *from, size_t length, const char *with, Text *to)
{
	append(to, "", 0);
	for (size_t i = 0; i < length; i++)
		append(to, from[i] == ',' ? with : from + i, from[i] == ',' ? strlen(with) : 1);
}

/*
 * Random files say the same, faults included, with a delimiter of several bytes in
 * the place of a comma.
 */
static void
test_several_bytes(void)
{
	static const char alphabet[] = "ab,,\"\"\\\n\r \x1F\x1E";
	static const CsvDialect dialects[] = {STRICT, LENIENT, BACKSLASH, BACKSLASH_LENIENT, TRIM_EMPTY_NULL, UNQUOTED};
	static const char *const delimiters[] = {"||", "|;|", "\xC2\xA7", ":-)", "12345678"};

	for (int round = 0; round < 200000; round++)
	{
		char		file[40];
		const char *delimiter = delimiters[random_below(5)];
		Case		one = {.dialect = dialects[random_below(6)], .expected = random_below(4), .file = file};
		Case		several = one;
		Text		translated = {0};
		Text		shown = {0};
		Text		wanted = {0};
		Text		got = {0};
		size_t		cut = random_below(5);

		one.size = random_below(sizeof(file));
		for (size_t i = 0; i < one.size; i++)
			file[i] = alphabet[random_below(sizeof(alphabet) - 1)];
		replace_commas(file, one.size, delimiter, &translated);
		several.dialect.delimiter = '\0';
		several.dialect.delimiter_text = delimiter;
		several.file = translated.data;
		several.size = translated.length;

		show_file(&one, 0, &shown);
		replace_commas(shown.data, strlen(shown.data), delimiter, &wanted);
		show_file(&several, cut, &got);
		expect(strcmp(wanted.data, got.data) == 0, "as with a comma", cut, wanted.data, got.data);
		free(translated.data);
		free(shown.data);
		free(wanted.data);
		free(got.data);
	}
}

/* The width may become known after the header. */
static void
test_expect_later(void)
{
	Source		source = {FILE_TEXT("id,name\n1\n2,b\n"), 0, 1};
	CsvDialect	dialect = STRICT;
	CsvReader  *reader = csv_reader_open(&dialect, read_source, &source, &memory, 100);
	CsvRow		row;
	bool		good = csv_reader_next(reader, &row) == CSV_ROW && row.nfields == 2;

	csv_reader_expect(reader, row.nfields);
	good = good && csv_reader_next(reader, &row) == CSV_FAULT && row.fault == CSV_TOO_FEW_FIELDS;
	good = good && csv_reader_next(reader, &row) == CSV_ROW && row.line == 3;
	good = good && csv_reader_next(reader, &row) == CSV_END;
	good = good && csv_reader_next(reader, &row) == CSV_END;
	expect(good, "width known after the header", 1, "a row, too few, a row, the end", "otherwise");
	csv_reader_close(reader);
}

/* More fields than a row may ever have are a fault, not a matter of memory. */
static void
test_many_fields(void)
{
	size_t		size = 3 * CSV_MAX_FIELDS;
	char	   *file = allocate(size);
	Source		source = {file, size, 0, 0};
	CsvDialect	dialect = STRICT;
	CsvReader  *reader = csv_reader_open(&dialect, read_source, &source, &memory, size);
	CsvRow		row;
	bool		good;

	memset(file, ',', size);
	memcpy(file, "\"\"\"\",", 5);
	good = csv_reader_next(reader, &row) == CSV_FAULT && row.fault == CSV_TOO_MANY_FIELDS &&
		row.nfields == CSV_MAX_FIELDS && row.raw_length == size &&
		row.fields[0].length == 1 && row.fields[CSV_MAX_FIELDS - 1].data == NULL;
	expect(good, "very many fields", 0, "too many fields", "otherwise");
	csv_reader_close(reader);
	free(file);
}

/*
 * Lines that each open a quote, 16 MB of them: done at once, or, if each line
 * were scanned to the end of the window, not before the timer rings.
 */
static void
test_hostile(void)
{
	static const struct
	{
		const char *name;
		const char *line;
		CsvDialect	dialect;
	}			hostile[] = {
		{"hostile, lenient", "x\",y,\"z\n", LENIENT},
		{"hostile, lenient, one field", "x\",\"z\n", LENIENT},
		{"hostile, strict", "\",\"\n", STRICT},
		{"hostile, strict, open", "x,\"y\n", STRICT},
		{"hostile, doubled", "\"\"\"a\n", STRICT},
		{"hostile, escapes", "a\",\"\\\"\n", BACKSLASH},
	};

	for (size_t i = 0; i < sizeof(hostile) / sizeof(hostile[0]); i++)
	{
		size_t		length = strlen(hostile[i].line);
		size_t		size = (16 << 20) / length * length;
		char	   *file = allocate(size + 1);
		Source		source = {file, size + 1, 0, 65536};
		CsvReader  *reader;
		CsvRow		row;
		CsvStatus	status;
		clock_t		start = clock();

		file[0] = '"';
		for (size_t at = 0; at < size; at += length)
			memcpy(file + 1 + at, hostile[i].line, length);
		reader = csv_reader_open(&hostile[i].dialect, read_source, &source, &memory, 8 << 20);
		csv_reader_expect(reader, 5);
		while ((status = csv_reader_next(reader, &row)) != CSV_END &&
			   clock() - start < 60 * CLOCKS_PER_SEC)
			;
		expect(status == CSV_END, hostile[i].name, 65536, "read to the end", "quadratic");
		csv_reader_close(reader);
		free(file);
	}
}

/* Runs all tests; result: 0 if all passed. */
int
main(void)
{
	test_cases();
	test_expect_later();
	test_many_fields();
	test_against_libcsv();
	test_several_bytes();
	test_hostile();
	printf("%d passed, %d failed\n", passed, failed);
	return failed > 0 ? 1 : 0;
}
