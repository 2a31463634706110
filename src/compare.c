/*
 * compare.c
 *		Telling the rows of a file from those of a baseline, in bounded memory.
 *
 * Of each key 40 bytes are kept: the digests of key and row, and where the
 * stored row lies.  Rows themselves are read again only where they matter.
 *
 * Exports keep their order from day to day, mostly, and previous lies in that
 * order too.  So the entry that a row of the file belongs to is looked for
 * behind the one found last, where it costs no cache miss, and only then by
 * hash.
 *
 * When that does not fit into the budget, keys are split into two halves by a
 * bit of their digest: one half is dropped on the spot and left to a pass of
 * its own, which reads baseline and file once more.  What was already written
 * for rows of the dropped half stays written; its own pass therefore goes over
 * the rows up to that place without writing ("done").  A half may be split
 * again, so memory is bounded whatever comes, at the cost of reading more.
 */
#include "compare.h"

#include "nodes/pg_list.h"
#include "utils/memutils.h"

/* A key of this pass. */
typedef struct Entry
{
	Digest		key;
	Digest		row;			/* of the baseline; once seen, low is the place */
	ItemPointerData tid;
	uint8		table;
	uint8		flags;
} Entry;

#define ENTRY_STORED	0x01	/* the baseline has it */
#define ENTRY_SEEN		0x02	/* the file has it */
#define ENTRY_PRESENT	0x04	/* a row that was set aside speaks of it */

/* A part of the keys: those whose digest has these low bits. */
typedef struct Pass
{
	uint64		mask;
	uint64		bits;
	int64		done_until;		/* rows up to this place were dealt with */
} Pass;

#define CHUNK_ENTRIES	8192	/* entries are allocated in chunks */
#define NEAR			8		/* entries looked at before the index is */
#define AHEAD			16		/* places of the index fetched before they are filled */
#define NO_ENTRY		PG_UINT32_MAX

struct Comparison
{
	MemoryContext context;
	Size		budget;
	List	   *todo;			/* of Pass */
	Pass		pass;
	int			passes;			/* begun so far */
	Entry	  **chunks;
	int			nchunks;		/* allocated */
	int			max_chunks;
	uint32		count;
	uint32		next;			/* the entry behind the one found last */
	uint32	   *index;			/* numbers of entries, by hash */
	uint32		index_size;		/* a power of two */
	uint32		indexed;		/* entries that stand in the index */
	int64		place;			/* of the row at hand */
};

Comparison *
comparison_begin(Size budget)
{
	MemoryContext context = AllocSetContextCreate(CurrentMemoryContext,
												  "syncup comparison", ALLOCSET_DEFAULT_SIZES);
	MemoryContext before = MemoryContextSwitchTo(context);
	Comparison *comparison = palloc0(sizeof(Comparison));
	Pass	   *all = palloc0(sizeof(Pass));

	comparison->context = context;
	comparison->budget = budget;
	comparison->todo = list_make1(all);
	comparison->max_chunks = 64;
	comparison->chunks = palloc(sizeof(Entry *) * comparison->max_chunks);
	comparison->index_size = 1024;
	comparison->index = palloc(sizeof(uint32) * comparison->index_size);
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

/* Empties the index; it is filled when it is needed. */
static void
clear_index(Comparison *comparison)
{
	memset(comparison->index, 0xFF, sizeof(uint32) * comparison->index_size);
	comparison->indexed = 0;
}

bool
comparison_next_pass(Comparison *comparison)
{
	if (comparison->todo == NIL)
		return false;
	comparison->passes++;
	comparison->pass = *(Pass *) llast(comparison->todo);
	comparison->todo = list_delete_last(comparison->todo);
	comparison->count = 0;
	comparison->next = 0;
	comparison->place = 0;
	clear_index(comparison);
	return true;
}

static inline Entry *
entry_at(const Comparison *comparison, uint32 number)
{
	return &comparison->chunks[number / CHUNK_ENTRIES][number % CHUNK_ENTRIES];
}

/* Whether a key belongs to this pass. */
static inline bool
is_ours(const Comparison *comparison, const Digest *key)
{
	return (key->high & comparison->pass.mask) == comparison->pass.bits;
}

static inline uint32
first_place(const Comparison *comparison, const Digest *key)
{
	return (uint32) key->low & (comparison->index_size - 1);
}

/*
 * Puts the entries that are not in the index there.  Their keys differ, so that
 * only the index is touched.
 */
static void
complete_index(Comparison *comparison)
{
	for (; comparison->indexed < comparison->count; comparison->indexed++)
	{
		uint32		place = first_place(comparison, &entry_at(comparison, comparison->indexed)->key);

		if (comparison->indexed + AHEAD < comparison->count)
			__builtin_prefetch(&comparison->index[first_place(comparison,
															  &entry_at(comparison, comparison->indexed + AHEAD)->key)], 1);
		while (comparison->index[place] != NO_ENTRY)
			place = (place + 1) & (comparison->index_size - 1);
		comparison->index[place] = comparison->indexed;
	}
}

/* The number of a key's entry, or NO_ENTRY. */
static uint32
find_number(Comparison *comparison, const Digest *key)
{
	uint32		end = Min(comparison->next + NEAR, comparison->count);
	uint32		place;

	for (uint32 number = comparison->next; number < end; number++)
		if (digest_equal(&entry_at(comparison, number)->key, key))
			return number;
	complete_index(comparison);
	place = first_place(comparison, key);
	while (comparison->index[place] != NO_ENTRY &&
		   !digest_equal(&entry_at(comparison, comparison->index[place])->key, key))
		place = (place + 1) & (comparison->index_size - 1);
	return comparison->index[place];
}

static Entry *
find(Comparison *comparison, const Digest *key)
{
	uint32		number = find_number(comparison, key);

	if (number == NO_ENTRY)
		return NULL;
	comparison->next = number + 1;
	return entry_at(comparison, number);
}

/* Makes the index one of this many places. */
static void
resize_index(Comparison *comparison, uint32 size)
{
	pfree(comparison->index);
	comparison->index = MemoryContextAllocHuge(comparison->context, sizeof(uint32) * size);
	comparison->index_size = size;
	clear_index(comparison);
}

/*
 * Leaves half of the keys of this pass to another one.
 */
static void
split_pass(Comparison *comparison)
{
	MemoryContext before = MemoryContextSwitchTo(comparison->context);
	Pass	   *other = palloc(sizeof(Pass));
	uint64		bit = comparison->pass.mask + 1;
	uint32		kept = 0;

	*other = comparison->pass;
	other->mask |= bit;
	other->bits |= bit;
	other->done_until = Max(comparison->pass.done_until, comparison->place - 1);
	comparison->todo = lappend(comparison->todo, other);
	comparison->pass.mask |= bit;
	MemoryContextSwitchTo(before);

	for (uint32 i = 0; i < comparison->count; i++)
		if (is_ours(comparison, &entry_at(comparison, i)->key))
			*entry_at(comparison, kept++) = *entry_at(comparison, i);
	comparison->count = kept;
	comparison->next = 0;
	clear_index(comparison);
}

/* The bytes that one more entry would make it. */
static Size
bytes_needed(const Comparison *comparison)
{
	Size		chunks = comparison->nchunks;
	Size		index = comparison->index_size;

	if (comparison->count == chunks * CHUNK_ENTRIES)
		chunks++;
	if (comparison->count >= index / 4 * 3)
		index *= 2;
	return chunks * CHUNK_ENTRIES * sizeof(Entry) + index * sizeof(uint32);
}

/* Adds an entry for a key that has none; NULL if the key left this pass. */
static Entry *
add(Comparison *comparison, const Digest *key)
{
	Entry	   *entry;

	while (comparison->count > 0 && bytes_needed(comparison) > comparison->budget)
	{
		split_pass(comparison);
		if (!is_ours(comparison, key))
			return NULL;
	}
	if (comparison->count >= comparison->index_size / 4 * 3)
		resize_index(comparison, comparison->index_size * 2);
	if (comparison->count == (Size) comparison->nchunks * CHUNK_ENTRIES)
	{
		if (comparison->nchunks == comparison->max_chunks)
		{
			comparison->max_chunks *= 2;
			comparison->chunks = repalloc(comparison->chunks,
										  sizeof(Entry *) * comparison->max_chunks);
		}
		comparison->chunks[comparison->nchunks++] =
			MemoryContextAlloc(comparison->context, sizeof(Entry) * CHUNK_ENTRIES);
	}
	entry = entry_at(comparison, comparison->count++);
	memset(entry, 0, sizeof(Entry));
	entry->key = *key;
	return entry;
}

void
comparison_add(Comparison *comparison, const Digest *key, const Digest *row,
			   BaselinePlace place, bool unique)
{
	Entry	   *entry;

	if (!is_ours(comparison, key))
		return;
	entry = unique ? NULL : find(comparison, key);
	if (entry == NULL)
		entry = add(comparison, key);
	if (entry == NULL)
		return;
	entry->row = *row;
	entry->tid = place.tid;
	entry->table = place.table;
	entry->flags |= ENTRY_STORED;
}

void
comparison_remove(Comparison *comparison, const Digest *key)
{
	Entry	   *entry = is_ours(comparison, key) ? find(comparison, key) : NULL;

	if (entry != NULL)
		entry->flags &= ~ENTRY_STORED;
}

/*
 * Marks an entry as seen.  From then on the baseline's row is not needed: of
 * the file's, half of the digest is kept to tell whether it is contradicted.
 */
static void
mark_seen(Entry *entry, const Digest *row, int64 place)
{
	entry->flags |= ENTRY_SEEN;
	entry->row.low = place;
	entry->row.high = row->high;
}

Verdict
comparison_take(Comparison *comparison, const Digest *key, const Digest *row,
				int64 place, bool *done, int64 *other_place)
{
	Entry	   *entry;
	Verdict		verdict;

	comparison->place = place;
	*done = place <= comparison->pass.done_until;
	if (!is_ours(comparison, key))
		return ROW_ELSEWHERE;
	entry = find(comparison, key);
	if (entry == NULL)
	{
		entry = add(comparison, key);
		if (entry == NULL)
			return ROW_ELSEWHERE;
	}
	if (entry->flags & ENTRY_SEEN)
	{
		*other_place = entry->row.low;
		return entry->row.high == row->high ? ROW_REPEATED : ROW_CONTRADICTED;
	}
	verdict = !(entry->flags & ENTRY_STORED) ? ROW_NEW :
		digest_equal(&entry->row, row) ? ROW_UNCHANGED : ROW_CHANGED;
	mark_seen(entry, row, place);
	return verdict;
}

bool
comparison_mark_present(Comparison *comparison, const Digest *key, int64 place)
{
	Entry	   *entry;
	bool		news;

	comparison->place = place;
	if (!is_ours(comparison, key))
		return false;
	entry = find(comparison, key);
	if (entry == NULL)
		entry = add(comparison, key);
	if (entry == NULL)
		return false;
	news = entry->flags == 0 && place > comparison->pass.done_until;
	entry->flags |= ENTRY_PRESENT;
	return news;
}

void
comparison_visit_missing(Comparison *comparison,
						 void (*visit) (void *arg, BaselinePlace place), void *arg)
{
	for (uint32 i = 0; i < comparison->count; i++)
	{
		Entry	   *entry = entry_at(comparison, i);
		BaselinePlace place;

		if (entry->flags != ENTRY_STORED)
			continue;
		place.table = entry->table;
		place.tid = entry->tid;
		visit(arg, place);
	}
}
