/*
 * plans.c
 *		Plans by what is known: few rows are looked up in a table by its index.
 *
 * A run knows how many rows change, and that the target has an index on its
 * key; a planner that guesses by work_mem, by costs or by statistics that are
 * not there yet may read the whole target for them all the same.  So where they
 * are few, joins other than by look-up are out of the question while the
 * statement is planned.  Where they are many it decides.
 */
#include "tool/plans.h"

#include "access/genam.h"
#include "access/table.h"
#include "catalog/pg_class.h"
#include "catalog/pg_inherits.h"
#include "optimizer/plancat.h"
#include "utils/guc.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"
#include "utils/syscache.h"
#include "utils/typcache.h"

/* Rows are few where the table has so many times more. */
#define FEW_BESIDE	10

/* Whether one of an index's columns, compared as its type is, is this one. */
static bool
has_column(Relation index, Form_pg_attribute column, int ncolumns)
{
	TypeCacheEntry *type = lookup_type_cache(getBaseType(column->atttypid), TYPECACHE_EQ_OPR);

	for (int i = 0; i < Min(ncolumns, index->rd_index->indnkeyatts); i++)
		if (index->rd_index->indkey.values[i] == column->attnum)
			return index->rd_indcollation[i] == column->attcollation &&
				op_in_opfamily(type->eq_opr, index->rd_opfamily[i]);
	return false;
}

/* Whether an index leads from values of columns to rows: it begins with them. */
static bool
leads_by(Relation index, const char *const *columns, int ncolumns)
{
	if (!index->rd_index->indisvalid || RelationGetIndexPredicate(index) != NIL)
		return false;
	for (int i = 0; i < ncolumns; i++)
	{
		Oid			table = index->rd_index->indrelid;
		HeapTuple	column = SearchSysCacheAttName(table, columns[i]);
		bool		found = HeapTupleIsValid(column) &&
			has_column(index, (Form_pg_attribute) GETSTRUCT(column), ncolumns);

		if (HeapTupleIsValid(column))
			ReleaseSysCache(column);
		if (!found)
			return false;
	}
	return true;
}

/* Whether a table, with its partitions, has an index that leads by columns. */
static bool
has_index(Relation table, const char *const *columns, int ncolumns)
{
	List	   *indexes;
	bool		found = false;

	/* Tables that inherit from it need not have it. */
	if (table->rd_rel->relkind != RELKIND_PARTITIONED_TABLE && table->rd_rel->relhassubclass)
		return false;
	indexes = RelationGetIndexList(table);
	foreach_oid(oid, indexes)
	{
		Relation	index = index_open(oid, AccessShareLock);

		found |= leads_by(index, columns, ncolumns);
		index_close(index, NoLock);
	}
	list_free(indexes);
	return found;
}

/* About how many rows a table has with its partitions, analyzed or not. */
static double
estimate_rows(Relation table)
{
	List	   *tables = find_all_inheritors(RelationGetRelid(table), AccessShareLock, NULL);
	double		rows = 0;

	foreach_oid(oid, tables)
	{
		Relation	part = table_open(oid, NoLock);
		BlockNumber pages;
		double		tuples = 0;
		double		all_visible;

		if (RELKIND_HAS_TABLE_AM(part->rd_rel->relkind))
			estimate_rel_size(part, NULL, &pages, &tuples, &all_visible);
		rows += tuples;
		table_close(part, NoLock);
	}
	list_free(tables);
	return rows;
}

bool
plan_few(Oid table, const char *const *columns, int ncolumns, double rows)
{
	Relation	relation = table_open(table, AccessShareLock);
	bool		few = has_index(relation, columns, ncolumns) && rows * FEW_BESIDE <= estimate_rows(relation);

	table_close(relation, NoLock);
	return few;
}

int
plan_pin(PlanKind kind)
{
	int			level;

	if (kind == PLAN_FREE)
		return 0;
	level = NewGUCNestLevel();
	setting_pin("enable_hashjoin", "off");
	setting_pin("enable_mergejoin", "off");
	setting_pin("enable_nestloop", "on");
	setting_pin("enable_indexscan", "on");
	setting_pin("random_page_cost", "1.1");
	/* Then no other way leads from a tid to its row. */
	if (kind == PLAN_IN_ORDER)
	{
		setting_pin("enable_tidscan", "on");
		setting_pin("enable_seqscan", "off");
	}
	return level;
}
