/*
 * convert.c
 *		Text of a file to a value of a column, and back.
 */
#include "format/convert.h"

#include <ctype.h>

#include "catalog/pg_type.h"
#include "tool/guard.h"
#include "digest/row_digest.h"
#include "utils/lsyscache.h"

/* Whether values of a type are dates or times, or made of them. */
static bool
is_dated(Oid type)
{
	Oid			base = getBaseType(type);
	Oid			element = get_element_type(base);

	if (OidIsValid(element))
		return is_dated(element);
	if (OidIsValid(get_range_subtype(base)))
		return is_dated(get_range_subtype(base));
	if (OidIsValid(get_multirange_range(base)))
		return is_dated(get_multirange_range(base));
	return base == DATEOID || base == TIMEOID || base == TIMETZOID ||
		base == TIMESTAMPOID || base == TIMESTAMPTZOID;
}

/* Whether a text has a word that means another date or time in each run. */
static bool
has_moving_word(const char *text)
{
	static const char *const words[] = {"now", "today", "tomorrow", "yesterday", "allballs"};

	for (const char *end; *text; text = *end ? end + 1 : end)
	{
		for (end = text; isalpha((unsigned char) *end); end++)
			;
		for (size_t i = 0; i < lengthof(words) && end > text; i++)
			if (strlen(words[i]) == end - text && pg_strncasecmp(text, words[i], end - text) == 0)
				return true;
	}
	return false;
}

void
converter_init(Converter *converter, Oid type, int32 typmod, const char *format)
{
	Oid			function;
	bool		varlena;

	converter->type = type;
	converter->typmod = typmod;
	converter->format = format ? format_parse(format) : NULL;
	getTypeInputInfo(type, &function, &converter->input_param);
	fmgr_info(function, &converter->input);
	getTypeOutputInfo(type, &function, &varlena);
	fmgr_info(function, &converter->output);
	get_typlenbyval(type, &converter->typlen, &converter->typbyval);
	converter->takes_all = type == TEXTOID && format == NULL;
	converter->refuses_words = is_dated(type);
}

/* A call of a type's input function. */
typedef struct InputCall
{
	Converter  *converter;
	char	   *value;
	Datum		result;
} InputCall;

static void
call_input(void *arg)
{
	InputCall  *call = arg;
	Converter  *converter = call->converter;

	/* A domain's input function also judges nulls. */
	call->result = InputFunctionCall(&converter->input, call->value, converter->input_param, converter->typmod);
}

/*
 * Calls the type's input function.  Its messages quote the value, which must
 * not reach the server's log (SPEC 3), so another one takes their place.
 */
static Datum
input_value(Converter *converter, char *value)
{
	InputCall	call = {.converter = converter, .value = value};
	ErrorData  *error = caught_values(call_input, &call);

	if (error != NULL)
		ereport(ERROR,
				(errcode(is_value_error(error) ? error->sqlerrcode :
						 ERRCODE_INVALID_TEXT_REPRESENTATION),
				 value == NULL ? errmsg("type %s does not take a null",
										format_type_with_typemod(converter->type, converter->typmod)) :
				 errmsg("value is not valid for type %s",
						format_type_with_typemod(converter->type, converter->typmod)),
				 error->constraint_name ?
				 errdetail("It violates constraint \"%s\".", error->constraint_name) : 0));
	return call.result;
}

Datum
convert_text(Converter *converter, const char *text, bool *isnull)
{
	char	   *value = unconstify(char *, text);

	if (value != NULL && *value != '\0' && converter->format != NULL)
		value = format_apply(converter->format, value);
	*isnull = value == NULL;
	if (value != NULL && converter->refuses_words && has_moving_word(value))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_DATETIME_FORMAT),
				 errmsg("value is not valid for type %s",
						format_type_with_typemod(converter->type, converter->typmod)),
				 errdetail("It is a word such as \"today\" or \"now\", which means another time in each run.")));
	return input_value(converter, value);
}

Datum
convert_field(Converter *converter, const char *field, size_t length, bool *isnull)
{
	if (field == NULL || !converter->takes_all)
		return convert_text(converter, field ? pnstrdup(field, length) : NULL, isnull);
	*isnull = false;
	return PointerGetDatum(cstring_to_text_with_len(field, length));
}

Datum
convert_stored(Converter *converter, Datum stored, bool *isnull)
{
	if (stored == (Datum) 0 || !converter->takes_all)
		return convert_text(converter, stored ? TextDatumGetCString(stored) : NULL, isnull);
	*isnull = false;
	return stored;
}

void
converter_add_bytes(const Converter *converter, RowBytes *bytes, Datum value, bool isnull)
{
	row_bytes_add_value(bytes, converter->typlen, converter->typbyval, value, isnull);
}

char *
convert_value(Converter *converter, Datum value)
{
	return OutputFunctionCall(&converter->output, value);
}
