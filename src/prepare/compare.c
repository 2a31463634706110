/*
 * compare.c
 *		Telling the rows of a file from those of a baseline, in bounded memory.
 *
 * Nearly all rows of a file are in the baseline as they are.  So the baseline's
 * rows are known by the digest of the whole row alone, key included: a row of
 * the file whose digest is there is unchanged, and nobody needs to know its key.
 * Of each row of the baseline 19 bytes are kept, and some 5 for finding it.
 *
 * Keys come in where that does not answer.  A row that is not found is new or
 * changed: the caller looks its key up in the stored table, by index, and if
 * the key has a row there, that row's digest leads to what is known of it.  Such
 * keys are kept, with what the file's row was, so that a key that is given
 * again is recognized:
 *
 *		first row	another, as in the baseline			another, with other contents
 *		unchanged	found by digest, seen: repeated		by key: contradicted
 *		changed		found by digest, replaced:			by key: repeated or
 *					contradicted						contradicted
 *		new			(there is none)						by key: repeated or
 *														contradicted
 *
 * Where a key has several spellings (SPEC 4.1), its digest is that of its value:
 * another spelling is not found by the digest of its row, and then leads to the
 * same key.  Whether such rows say the same is told by their contents, without
 * the key.
 *
 * What batches that are queued ahead change is given before what they change,
 * with its keys: these stand among the kept ones from the beginning.
 *
 * When all that does not fit into the budget, keys are split into two halves by a
 * bit of their digest: one half is dropped on the spot and left to a pass of
 * its own, which reads baseline and file once more.  What was already written
 * for rows of the dropped half stays written; its own pass therefore goes over
 * the rows up to that place without writing ("done").  A half may be split
 * again, so memory is bounded whatever comes, at the cost of reading more.
 * The digests of the baseline's rows say nothing about their keys; where the file
 * is being read already, those of the dropped half just stay.
 */
#include "prepare/compare.h"

#include "digest/digest_set.h"
#include "nodes/pg_list.h"
#include "utils/memutils.h"

/* What the file says of a row of the baseline. */
typedef enum RowState
{
	ROW_UNSEEN_0,				/* nothing; the row lies in table 0 */
	ROW_UNSEEN_1,
	ROW_PRESENT,				/* a row that was set aside speaks of it */
	ROW_SEEN,					/* it is there as it is */
	ROW_REPLACED				/* its key is there with other contents */
} RowState;

/* A row of the baseline: its bytes in the set of rows. */
typedef struct StoredRow
{
	uint8		state;
	uint8		place[6];		/* its tid; once seen or replaced, the line in the file */
} StoredRow;

/* What is known of a key. */
typedef enum KeyState
{
	KEY_UNSEEN,					/* the baseline does not have it, nor has the file */
	KEY_PRESENT,				/* the same, but for a row that was set aside */
	KEY_SEEN,					/* the file has it */
	KEY_STORED					/* the baseline has it: see its row */
} KeyState;

/* A key: its bytes in the set of keys. */
typedef struct Key
{
	uint8		state;
	uint8		place[6];		/* the line in the file, or the number of the stored row */
	uint8		contents[8];	/* of the file's first row: half of its digest; before it, the stored row's */
} Key;

/* A part of the keys: those whose digest has these low bits. */
typedef struct Pass
{
	uint64		mask;
	uint64		bits;
	int64		done_until;		/* rows up to this place were dealt with */
} Pass;

#define MIN_BUDGET		(256 * 1024)
#define MIN_KEYS		(64 * 1024)	/* bytes that the baseline leaves to keys */

struct Comparison
{
	MemoryContext context;
	Size		budget;
	RowAtHand	row;
	List	   *todo;			/* of Pass */
	Pass		pass;
	int			passes;			/* begun so far */
	DigestSet  *rows;			/* of StoredRow */
	DigestSet  *keys;			/* of Key */
	bool		too_much;		/* the baseline does not fit into this pass */
	int64		place;			/* of the row at hand */
};

Comparison *
comparison_begin(Size budget, RowAtHand row)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "syncup comparison", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Comparison *comparison = palloc0(sizeof(Comparison));

	comparison->context = context;
	comparison->budget = Max(budget, MIN_BUDGET);
	comparison->row = row;
	comparison->todo = list_make1(palloc0(sizeof(Pass)));
	MemoryContextSwitchTo(before);
	return comparison;
}

void
comparison_end(Comparison *comparison)
{
	MemoryContextDelete(comparison->context);
}

bool
comparison_is_first_pass(const Comparison *comparison)
{
	return comparison->passes == 1;
}

/* Forgets all rows and keys. */
static void
clear(Comparison *comparison)
{
	MemoryContext before = MemoryContextSwitchTo(comparison->context);

	if (comparison->rows != NULL)
	{
		digest_set_free(comparison->rows);
		digest_set_free(comparison->keys);
	}
	comparison->rows = digest_set_create(sizeof(StoredRow), true);
	comparison->keys = digest_set_create(sizeof(Key), false);
	MemoryContextSwitchTo(before);
}

bool
comparison_next_pass(Comparison *comparison)
{
	if (comparison->todo == NIL)
		return false;
	comparison->passes++;
	comparison->pass = *(Pass *) llast(comparison->todo);
	comparison->todo = list_delete_last(comparison->todo);
	comparison->place = 0;
	clear(comparison);
	return true;
}

bool
comparison_is_ours(const Comparison *comparison, const Digest *key)
{
	return (key->low & comparison->pass.mask) == comparison->pass.bits;
}

/* Leaves half of the keys of this pass to another one. */
static void
split_pass(Comparison *comparison)
{
	MemoryContext before = MemoryContextSwitchTo(comparison->context);
	Pass	   *other = palloc(sizeof(Pass));
	uint64		bit = comparison->pass.mask + 1;

	*other = comparison->pass;
	other->mask |= bit;
	other->bits |= bit;
	other->done_until = Max(comparison->pass.done_until, comparison->place - 1);
	comparison->todo = lappend(comparison->todo, other);
	comparison->pass.mask |= bit;
	MemoryContextSwitchTo(before);
}

static Size
bytes_needed(const Comparison *comparison)
{
	return digest_set_bytes(comparison->rows) + digest_set_bytes(comparison->keys);
}

/* ---------- lines, tids and numbers in little room ---------- */

static inline void
put_line(uint8 *place, int64 line)
{
	ItemPointerData packed;

	ItemPointerSet(&packed, (BlockNumber) (line >> 16), (OffsetNumber) (line & 0xFFFF));
	memcpy(place, &packed, sizeof(packed));
}

static inline int64
get_line(const uint8 *place)
{
	ItemPointerData packed;

	memcpy(&packed, place, sizeof(packed));
	return ((int64) ItemPointerGetBlockNumberNoCheck(&packed) << 16) +
		ItemPointerGetOffsetNumberNoCheck(&packed);
}

/* ---------- the baseline ---------- */

static inline StoredRow *
row_at(const Comparison *comparison, uint32 number)
{
	return digest_set_data(comparison->rows, number);
}

/* Whether there is room for more of the baseline; if not, all was in vain. */
static bool
has_room(Comparison *comparison)
{
	Size		reserve = Max(comparison->budget / 16, MIN_KEYS);

	if (bytes_needed(comparison) > comparison->budget - reserve)
		comparison->too_much = true;
	return !comparison->too_much;
}

/* Adds a row of the baseline; its number. */
static uint32
add_row(Comparison *comparison, const Digest *digest, BaselinePlace place)
{
	uint32		number = digest_set_append(comparison->rows, digest);
	StoredRow  *row = row_at(comparison, number);

	row->state = place.table == 0 ? ROW_UNSEEN_0 : ROW_UNSEEN_1;
	memcpy(row->place, &place.tid, sizeof(place.tid));
	return number;
}

/* Adds a key; stored: the number of the baseline's row, with its contents, or NO_DIGEST. */
static Key *
add_key(Comparison *comparison, const Digest *digest, uint32 stored, uint64 contents)
{
	Key		   *key = digest_set_data(comparison->keys,
									  digest_set_append(comparison->keys, digest));

	if (stored != NO_DIGEST)
	{
		key->state = KEY_STORED;
		memcpy(key->place, &stored, sizeof(stored));
		memcpy(key->contents, &contents, sizeof(contents));
	}
	return key;
}

void
comparison_add_newer(Comparison *comparison, const Digest *key, const Digest *row,
					 uint64 contents, BaselinePlace place)
{
	if (comparison_is_ours(comparison, key) && has_room(comparison) &&
		digest_set_find(comparison->keys, key) == NO_DIGEST)
		(void) add_key(comparison, key, row ? add_row(comparison, row, place) : NO_DIGEST, contents);
}

bool
comparison_wants_keys(const Comparison *comparison)
{
	return comparison->pass.mask != 0 || digest_set_count(comparison->keys) > 0;
}

void
comparison_add(Comparison *comparison, const Digest *key, const Digest *row,
			   BaselinePlace place)
{
	if (has_room(comparison) &&
		(!comparison_wants_keys(comparison) ||
		 (comparison_is_ours(comparison, key) &&
		  digest_set_find(comparison->keys, key) == NO_DIGEST)))
		(void) add_row(comparison, row, place);
}

bool
comparison_is_loaded(Comparison *comparison)
{
	if (!comparison->too_much)
		return true;
	comparison->too_much = false;
	split_pass(comparison);
	clear(comparison);
	return false;
}

/* ---------- the file ---------- */

/* Makes room for one more key; false: the one at hand has left this pass. */
static bool
make_room(Comparison *comparison, const Digest *key)
{
	while (digest_set_count(comparison->keys) > 0 &&
		   bytes_needed(comparison) > comparison->budget)
	{
		split_pass(comparison);
		digest_set_restrict(comparison->keys, comparison->pass.mask, comparison->pass.bits);
		if (!comparison_is_ours(comparison, key))
			return false;
	}
	return true;
}

/* What is known of the key of the row at hand; NULL: it left this pass. */
static Key *
find_key(Comparison *comparison, const Digest *key)
{
	uint32		number = digest_set_find(comparison->keys, key);
	uint32		stored = NO_DIGEST;
	uint64		contents = 0;
	Digest		row;

	if (number != NO_DIGEST)
		return digest_set_data(comparison->keys, number);
	if (!make_room(comparison, key))
		return NULL;
	if (digest_set_count(comparison->rows) > 0 &&
		comparison->row.stored(comparison->row.arg, &row, &contents))
		stored = digest_set_find(comparison->rows, &row);
	return add_key(comparison, key, stored, contents);
}

/* The baseline's row of a key, if it has one. */
static StoredRow *
row_of_key(const Comparison *comparison, const Key *key)
{
	uint32		number;

	if (key->state != KEY_STORED)
		return NULL;
	memcpy(&number, key->place, sizeof(number));
	return row_at(comparison, number);
}

/* What the row at hand says of its key. */
static uint64
contents_at_hand(const Comparison *comparison, const Digest *digest)
{
	return comparison->row.contents != NULL ? comparison->row.contents(comparison->row.arg) : digest->high;
}

/* Whether a key's first row said the same. */
static Verdict
repeated(const Key *key, uint64 contents)
{
	return memcmp(key->contents, &contents, sizeof(contents)) == 0 ? ROW_REPEATED : ROW_CONTRADICTED;
}

/* Takes a row that the baseline has as it is, once another one of its key was taken. */
static Verdict
take_replaced(Comparison *comparison, const Digest *digest)
{
	Digest		key;
	Key		   *known;

	/* Of a key with one spelling the other row has other contents. */
	if (comparison->row.contents == NULL)
		return ROW_CONTRADICTED;
	key = comparison->row.key(comparison->row.arg);
	known = find_key(comparison, &key);
	return known == NULL ? ROW_ELSEWHERE : repeated(known, contents_at_hand(comparison, digest));
}

/* Takes a row that the baseline has as it is. */
static Verdict
take_equal(Comparison *comparison, StoredRow *row, const Digest *digest, int64 line, int64 *other_line)
{
	switch ((RowState) row->state)
	{
		case ROW_UNSEEN_0:
		case ROW_UNSEEN_1:
		case ROW_PRESENT:
			break;
		case ROW_SEEN:
			*other_line = get_line(row->place);
			return ROW_REPEATED;
		case ROW_REPLACED:
			*other_line = get_line(row->place);
			return take_replaced(comparison, digest);
	}
	row->state = ROW_SEEN;
	put_line(row->place, line);
	return ROW_UNCHANGED;
}

/* Takes a row that the baseline has not, or has with other contents. */
static Verdict
take_different(Comparison *comparison, Key *key, const Digest *digest,
			   int64 line, int64 *other_line)
{
	StoredRow  *row = row_of_key(comparison, key);
	uint8	   *place = row ? row->place : key->place;
	uint64		contents = contents_at_hand(comparison, digest);

	if (row != NULL && row->state == ROW_SEEN)
	{
		*other_line = get_line(place);
		return comparison->row.contents != NULL ? repeated(key, contents) : ROW_CONTRADICTED;
	}
	if (row != NULL ? row->state == ROW_REPLACED : key->state == KEY_SEEN)
	{
		*other_line = get_line(place);
		return repeated(key, contents);
	}
	put_line(place, line);
	memcpy(key->contents, &contents, sizeof(contents));
	if (row != NULL)
	{
		row->state = ROW_REPLACED;
		return ROW_CHANGED;
	}
	key->state = KEY_SEEN;
	return ROW_NEW;
}

bool
comparison_knows(const Comparison *comparison, const Digest *row)
{
	return digest_set_find(comparison->rows, row) != NO_DIGEST;
}

Verdict
comparison_take(Comparison *comparison, const Digest *row, int64 place, int64 line,
				bool *done, int64 *other_line)
{
	uint32		number;
	Digest		key;
	Key		   *known;

	comparison->place = place;
	*done = place <= comparison->pass.done_until;
	if (comparison->pass.mask != 0)
	{
		key = comparison->row.key(comparison->row.arg);
		if (!comparison_is_ours(comparison, &key))
			return ROW_ELSEWHERE;
	}
	number = digest_set_find(comparison->rows, row);
	if (number != NO_DIGEST)
		return take_equal(comparison, row_at(comparison, number), row, line, other_line);
	key = comparison->row.key(comparison->row.arg);
	known = find_key(comparison, &key);
	if (known == NULL)
		return ROW_ELSEWHERE;
	return take_different(comparison, known, row, line, other_line);
}

Verdict
comparison_mark_present(Comparison *comparison, int64 place)
{
	Digest		key = comparison->row.key(comparison->row.arg);
	Key		   *known;
	StoredRow  *row;

	comparison->place = place;
	if (!comparison_is_ours(comparison, &key))
		return ROW_ELSEWHERE;
	known = find_key(comparison, &key);
	if (known == NULL)
		return ROW_ELSEWHERE;
	row = row_of_key(comparison, known);
	if (row != NULL ? row->state >= ROW_PRESENT : known->state != KEY_UNSEEN)
		return ROW_ELSEWHERE;
	if (row != NULL)
		row->state = ROW_PRESENT;
	else
		known->state = KEY_PRESENT;
	return place <= comparison->pass.done_until ? ROW_ELSEWHERE : row != NULL ? ROW_CHANGED : ROW_NEW;
}

void
comparison_visit_missing(Comparison *comparison,
						 void (*visit) (void *arg, BaselinePlace place), void *arg)
{
	for (uint32 i = 0; i < digest_set_count(comparison->rows); i++)
	{
		StoredRow  *row = row_at(comparison, i);
		BaselinePlace place;

		if (row->state >= ROW_PRESENT)
			continue;
		place.table = row->state == ROW_UNSEEN_0 ? 0 : 1;
		memcpy(&place.tid, row->place, sizeof(place.tid));
		visit(arg, place);
	}
}
