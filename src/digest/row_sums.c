/*
 * row_sums.c
 *		Aggregate syncup.row_sums: sums of the digests of a query's rows.
 *
 * As an aggregate the search for drift (drift.c) has its rows summed up where the
 * server reads them: by parallel workers too, each of which hands over its sums
 * instead of its rows.
 */
#include "digest/row_sums.h"

#include "digest/digest_sums.h"
#include "fmgr.h"
#include "utils/lsyscache.h"

PG_FUNCTION_INFO_V1(syncup_row_sums_add);
PG_FUNCTION_INFO_V1(syncup_row_sums_combine);
PG_FUNCTION_INFO_V1(syncup_row_sums_bytes);
PG_FUNCTION_INFO_V1(syncup_row_sums_from_bytes);

/* Arguments of the aggregate before the values; its state comes before them. */
#define ARG_KEY		1
#define ARG_NUMBER	2
#define ARG_VALUES	3

typedef struct RowSums
{
	DigestSums	sums;
	DigestKey	key;
	RowBytes	bytes;
	int			nvalues;
	int16		typlens[FUNC_MAX_ARGS];
	bool		typbyvals[FUNC_MAX_ARGS];
} RowSums;

/* The memory in which states live. */
static MemoryContext
state_memory(FunctionCallInfo fcinfo)
{
	MemoryContext context;

	if (!AggCheckCallContext(fcinfo, &context))
		elog(ERROR, "called outside of an aggregate");
	return context;
}

static RowSums *
begin_sums(FunctionCallInfo fcinfo)
{
	MemoryContext before = MemoryContextSwitchTo(state_memory(fcinfo));
	RowSums    *state = palloc0(sizeof(RowSums));
	bytea	   *key;
	int64		number;

	if (PG_ARGISNULL(ARG_KEY) || PG_ARGISNULL(ARG_NUMBER))
		ereport(ERROR,
				(errcode(ERRCODE_NULL_VALUE_NOT_ALLOWED),
				 errmsg("the key and the number of sums must not be null")));
	key = PG_GETARG_BYTEA_PP(ARG_KEY);
	number = PG_GETARG_INT64(ARG_NUMBER);
	if (VARSIZE_ANY_EXHDR(key) != sizeof(DigestKey))
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the key must have %zu bytes", sizeof(DigestKey))));
	if (number < 1 || number > MAX_SUMS || (number & (number - 1)) != 0)
		ereport(ERROR,
				(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
				 errmsg("the number of sums must be a power of two, %d at most", MAX_SUMS)));
	memcpy(&state->key, VARDATA_ANY(key), sizeof(DigestKey));
	digest_sums_init_number(&state->sums, number);
	row_bytes_init(&state->bytes);
	state->nvalues = PG_NARGS() - ARG_VALUES;
	for (int i = 0; i < state->nvalues; i++)
		get_typlenbyval(get_fn_expr_argtype(fcinfo->flinfo, ARG_VALUES + i),
						&state->typlens[i], &state->typbyvals[i]);
	MemoryContextSwitchTo(before);
	return state;
}

/* Adds the digest of a row's values. */
Datum
syncup_row_sums_add(PG_FUNCTION_ARGS)
{
	RowSums    *state = PG_ARGISNULL(0) ? begin_sums(fcinfo) : (RowSums *) PG_GETARG_POINTER(0);
	Digest		digest;

	row_bytes_reset(&state->bytes);
	for (int i = 0; i < state->nvalues; i++)
	{
		const NullableDatum *value = &fcinfo->args[ARG_VALUES + i];

		row_bytes_add_value(&state->bytes, state->typlens[i], state->typbyvals[i], value->value, value->isnull);
	}
	digest = row_bytes_digest(&state->bytes, &state->key);
	digest_sums_add(&state->sums, &digest);
	PG_RETURN_POINTER(state);
}

/* Adds the sums of another process; one that has read no row has none. */
Datum
syncup_row_sums_combine(PG_FUNCTION_ARGS)
{
	RowSums    *state = PG_ARGISNULL(0) ? NULL : (RowSums *) PG_GETARG_POINTER(0);
	RowSums    *other = PG_ARGISNULL(1) ? NULL : (RowSums *) PG_GETARG_POINTER(1);

	if (state == NULL && other == NULL)
		PG_RETURN_NULL();
	if (other == NULL)
		PG_RETURN_POINTER(state);
	if (state == NULL)
	{
		MemoryContext before = MemoryContextSwitchTo(state_memory(fcinfo));

		state = palloc0(sizeof(RowSums));
		digest_sums_init_number(&state->sums, other->sums.mask + 1);
		MemoryContextSwitchTo(before);
	}
	digest_sums_add_bytes(&state->sums, digest_sums_bytes(&other->sums));
	PG_RETURN_POINTER(state);
}

/* The sums as bytes: for another process, and as the result. */
Datum
syncup_row_sums_bytes(PG_FUNCTION_ARGS)
{
	PG_RETURN_BYTEA_P(digest_sums_bytes(&((RowSums *) PG_GETARG_POINTER(0))->sums));
}

Datum
syncup_row_sums_from_bytes(PG_FUNCTION_ARGS)
{
	bytea	   *bytes = PG_GETARG_BYTEA_PP(0);
	RowSums    *state = palloc0(sizeof(RowSums));

	digest_sums_init_number(&state->sums, VARSIZE_ANY_EXHDR(bytes) / sizeof(Digest));
	digest_sums_add_bytes(&state->sums, bytes);
	PG_RETURN_POINTER(state);
}
