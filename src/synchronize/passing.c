/*
 * passing.c
 *		Unique values that pass between rows that one batch updates.
 *
 * Nothing is looked at unless the batch writes columns of such an index.  Then
 * each updated row is asked whether another one has what it is to get; where that
 * one is updated, too, the first waits for it.  Rows that wait for one another
 * are sorted so that each comes after the one it waits for.
 */
#include "synchronize/passing.h"

#include "access/genam.h"
#include "access/sysattr.h"
#include "access/table.h"
#include "catalog/pg_type.h"
#include "lib/stringinfo.h"
#include "miscadmin.h"
#include "nodes/bitmapset.h"
#include "optimizer/optimizer.h"
#include "target/failure.h"
#include "target/target.h"
#include "tool/sql.h"
#include "utils/array.h"
#include "utils/builtins.h"
#include "utils/lsyscache.h"
#include "utils/rel.h"
#include "utils/relcache.h"

/* Indexes that are looked at: bits of a number. */
#define MAX_INDEXES		(62 - PLACE_BITS)

/* A unique index that is checked row by row, of whose columns some are written. */
typedef struct UniqueIndex
{
	char	   *name;
	int			ncolumns;
	char	  **columns;		/* SQL over the target's columns */
	Oid		   *types;
	char	   *predicate;		/* the same; NULL: it covers every row */
	List	   *written;		/* mapping columns that it depends on and the batch writes */
	List	   *parkable;		/* those of them that may be null for a while */
	char	   *new_row;		/* SQL: the target columns that it depends on, as they will be */
} UniqueIndex;

/* That an update waits for another. */
typedef struct Edge
{
	int64		waiter;
	int64		blocker;
	int			index;
	bool		parkable;		/* the blocker can give its value up before */
} Edge;

typedef struct Graph
{
	int64		nedges;
	Edge	   *edges;			/* by waiter */
	int64		nnodes;			/* changes */
	int64	   *first;			/* per change: its first edge; the next one's is where they end */
	char	   *color;			/* per change */
	int64		nordered;
	int64	   *ordered;		/* changes, those that wait after those they wait for */
	int64	   *position;		/* per change: where in that, or -1 */
	uint64	   *parked;			/* per change: bits of indexes */
} Graph;

enum
{
	WHITE, GREY, BLACK
};

/* ---------- indexes ---------- */

/* Whether foreign keys refer to a column of the target: then what is null for a while is somebody's business. */
static bool
is_referred_to(const Mapping *mapping, AttrNumber attnum)
{
	return own_sql("SELECT FROM pg_catalog.pg_constraint WHERE contype = 'f' AND confrelid = $1 AND $2 = ANY (confkey) LIMIT 1",
				   SQL_ARGS(SQL_OID(mapping->target), SQL_INT4(attnum))) > 0;
}

/* The mapping column that writes a column of the target, or -1. */
static int
mapping_column(const Mapping *mapping, AttrNumber attnum)
{
	for (int i = 0; i < mapping->ncolumns; i++)
		if (mapping->columns[i].target != NULL && mapping->columns[i].attnum == attnum)
			return i;
	return -1;
}

/* The attributes that an index depends on. */
static Bitmapset *
index_attributes(Relation index)
{
	Bitmapset  *attributes = NULL;
	Bitmapset  *result = NULL;
	int			member = -1;

	for (int i = 0; i < index->rd_index->indnkeyatts; i++)
		if (index->rd_index->indkey.values[i] != 0)
			result = bms_add_member(result, index->rd_index->indkey.values[i]);
	pull_varattnos((Node *) RelationGetIndexExpressions(index), 1, &attributes);
	pull_varattnos((Node *) RelationGetIndexPredicate(index), 1, &attributes);
	while ((member = bms_next_member(attributes, member)) >= 0)
		result = bms_add_member(result, member + FirstLowInvalidHeapAttributeNumber);
	return result;
}

/*
 * Describes an index if values can pass by it; NULL if the batch writes none of
 * its columns, or what it will hold cannot be told before.
 */
static UniqueIndex *
describe_index(const Mapping *mapping, const TypedRows *changes, Relation target, Relation index)
{
	UniqueIndex *unique = palloc0(sizeof(UniqueIndex));
	Bitmapset  *attributes = index_attributes(index);
	StringInfoData row;
	int			attnum = -1;

	initStringInfo(&row);
	while ((attnum = bms_next_member(attributes, attnum)) >= 0)
	{
		Form_pg_attribute attribute = TupleDescAttr(RelationGetDescr(target), attnum - 1);
		const char *name = quote_identifier(NameStr(attribute->attname));
		int			i = mapping_column(mapping, attnum);

		if (attribute->attgenerated || (i < 0 && !may_read_all(mapping)))
			return NULL;
		if (i >= 0 && changes->written[i])
		{
			unique->written = lappend_int(unique->written, i);
			if (!attribute->attnotnull && !index->rd_index->indnullsnotdistinct && !is_referred_to(mapping, attnum))
				unique->parkable = lappend_int(unique->parkable, i);
			appendStringInfo(&row, "%sCASE WHEN s.h%d THEN s.c%d ELSE t.%s END AS %s", row.len ? ", " : "",
							 i + 1, i + 1, name, name);
		}
		else
			appendStringInfo(&row, "%st.%s", row.len ? ", " : "", name);
	}
	if (unique->written == NIL)
		return NULL;
	unique->new_row = row.data;
	unique->name = pstrdup(RelationGetRelationName(index));
	unique->ncolumns = index->rd_index->indnkeyatts;
	unique->columns = palloc(sizeof(char *) * unique->ncolumns);
	unique->types = palloc(sizeof(Oid) * unique->ncolumns);
	for (int i = 0; i < unique->ncolumns; i++)
	{
		own_sql("SELECT pg_catalog.pg_get_indexdef($1, $2, false)",
				SQL_ARGS(SQL_OID(RelationGetRelid(index)), SQL_INT4(i + 1)));
		unique->columns[i] = sql_text(0, 1);
		unique->types[i] = TupleDescAttr(RelationGetDescr(index), i)->atttypid;
	}
	own_sql("SELECT pg_catalog.pg_get_expr(indpred, indrelid) FROM pg_catalog.pg_index WHERE indexrelid = $1",
			SQL_ARGS(SQL_OID(RelationGetRelid(index))));
	unique->predicate = sql_text(0, 1);
	return unique;
}

/* The unique indexes by which values can pass. */
static List *
find_indexes(const Mapping *mapping, const TypedRows *changes)
{
	Relation	target = table_open(mapping->target, AccessShareLock);
	List	   *found = NIL;

	foreach_oid(oid, RelationGetIndexList(target))
	{
		Relation	index = index_open(oid, AccessShareLock);
		UniqueIndex *unique = NULL;

		if (index->rd_index->indisunique && index->rd_index->indimmediate && index->rd_index->indisvalid &&
			list_length(found) < MAX_INDEXES)
			unique = describe_index(mapping, changes, target, index);
		if (unique != NULL)
			found = lappend(found, unique);
		index_close(index, NoLock);
	}
	table_close(target, NoLock);
	return found;
}

/* ---------- which updates wait ---------- */

/* SQL: whether change s writes one of these columns. */
static char *
writes_any(List *columns, const char *alias)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfoString(&sql, "(false");
	foreach_int(column, columns)
		appendStringInfo(&sql, " OR %s.h%d", alias, column + 1);
	appendStringInfoChar(&sql, ')');
	return sql.data;
}

/* SQL: the columns of an index, e1 to en, of the row r of some relation. */
static char *
index_columns(const UniqueIndex *unique, const char *more, const char *relation)
{
	StringInfoData sql;

	initStringInfo(&sql);
	appendStringInfo(&sql, "(SELECT %s", more);
	for (int i = 0; i < unique->ncolumns; i++)
		appendStringInfo(&sql, "%s%s AS e%d", i == 0 && more[0] == '\0' ? "" : ", ", unique->columns[i], i + 1);
	appendStringInfo(&sql, " FROM %s r WHERE %s)", relation, unique->predicate ? unique->predicate : "true");
	return sql.data;
}

/* SQL: whether two of these have the same values. */
static char *
same_columns(const UniqueIndex *unique)
{
	StringInfoData sql;

	initStringInfo(&sql);
	for (int i = 0; i < unique->ncolumns; i++)
	{
		MappingColumn column = {.type = unique->types[i]};

		appendStringInfo(&sql, "%s%s", i ? " AND " : "",
						 equal_sql(&column, psprintf("u.e%d", i + 1), psprintf("v.e%d", i + 1)));
	}
	return sql.data;
}

/* The updates that get by an index what another row has, with that one's key. */
static TypedRows *
find_takers(const Mapping *mapping, const TypedRows *changes, const UniqueIndex *unique)
{
	return typed_rows_gather("syncup_taker",
							 caller_cursor_planned(psprintf("SELECT s.number, %s FROM syncup_change s JOIN %s t ON %s"
															" CROSS JOIN LATERAL %s v JOIN %s u ON %s WHERE %s AND %s"
															" AND (u.relid OPERATOR(pg_catalog.<>) t.tableoid OR u.place OPERATOR(pg_catalog.<>) t.ctid)",
															key_columns(mapping, "u"), mapping->target_name, same_key(mapping, "s"),
															index_columns(unique, "", psprintf("(SELECT %s)", unique->new_row)),
															index_columns(unique, psprintf("r.tableoid AS relid, r.ctid AS place, %s", target_key_as_typed(mapping)),
																		  mapping->target_name),
															same_columns(unique), is_action(ACTION_UPDATE), writes_any(unique->written, "s")),
												   is_few(mapping, changes->count), SQL_NO_ARGS));
}

/* Adds an edge of the row at hand. */
typedef struct EdgeSink
{
	Graph	   *graph;
	int64		space;
	int			index;
} EdgeSink;

static void
add_edge(void *arg, uint64 row)
{
	EdgeSink   *sink = arg;
	Graph	   *graph = sink->graph;
	Edge	   *edge;

	if (graph->nedges == sink->space)
	{
		sink->space *= 2;
		graph->edges = repalloc_huge(graph->edges, sizeof(Edge) * sink->space);
	}
	edge = &graph->edges[graph->nedges++];
	edge->waiter = sql_int8(row, 1);
	edge->blocker = sql_int8(row, 2);
	edge->index = sink->index;
	edge->parkable = sql_bool(row, 3);
}

/* Adds the edges of one index: takers of what a row that is updated as well has. */
static void
find_edges(const Mapping *mapping, const TypedRows *changes, const UniqueIndex *unique, EdgeSink *sink)
{
	TypedRows  *takers = find_takers(mapping, changes, unique);

	if (takers->count > 0)
		sql_for_each(caller_cursor(psprintf("SELECT p.number, s.number, %s FROM syncup_taker p JOIN syncup_change s ON %s WHERE %s AND %s",
											writes_any(unique->parkable, "s"), same_key_of(mapping, "p", "s"),
											is_action(ACTION_UPDATE), writes_any(unique->written, "s")), SQL_NO_ARGS),
					 add_edge, sink);
	typed_rows_forget(takers);
}

/* ---------- their order ---------- */

static int
compare_edges(const void *a, const void *b)
{
	const Edge *x = a;
	const Edge *y = b;

	return x->waiter < y->waiter ? -1 : x->waiter > y->waiter;
}

/* Forgets the order. */
static void
reset_order(Graph *graph)
{
	memset(graph->color, WHITE, graph->nnodes);
	memset(graph->parked, 0, sizeof(uint64) * graph->nnodes);
	graph->nordered = 0;
}

/*
 * Orders what a change waits for, and then the change itself.  loose: where that
 * leads back to a change on the way, and its value can be parked, it is.  strict:
 * what can be parked is not waited for.  Returns a change that waits for itself
 * all the same, or -1.
 */
static int64
order_from(Graph *graph, int64 start, bool strict, int64 *stack, int64 *at)
{
	int64		depth = 0;

	stack[0] = start;
	at[start] = graph->first[start];
	graph->color[start] = GREY;
	while (depth >= 0)
	{
		int64		node = stack[depth];
		Edge	   *edge;

		CHECK_FOR_INTERRUPTS();
		if (at[node] == graph->first[node + 1])
		{
			graph->color[node] = BLACK;
			graph->position[node] = graph->nordered;
			graph->ordered[graph->nordered++] = node;
			depth--;
			continue;
		}
		edge = &graph->edges[at[node]++];
		if (strict && edge->parkable)
			continue;
		if (graph->color[edge->blocker] == GREY)
		{
			if (!edge->parkable)
				return edge->blocker;
			graph->parked[edge->blocker] |= UINT64CONST(1) << edge->index;
		}
		else if (graph->color[edge->blocker] == WHITE)
		{
			graph->color[edge->blocker] = GREY;
			at[edge->blocker] = graph->first[edge->blocker];
			stack[++depth] = edge->blocker;
		}
	}
	return -1;
}

/* The same of all changes that wait, or are waited for. */
static int64
order_all(Graph *graph, bool strict)
{
	int64	   *stack = palloc_extended(sizeof(int64) * graph->nnodes, MCXT_ALLOC_HUGE);
	int64	   *at = palloc_extended(sizeof(int64) * graph->nnodes, MCXT_ALLOC_HUGE);
	int64		circle = -1;

	reset_order(graph);
	for (int64 i = 0; i < graph->nedges && circle < 0; i++)
		if (graph->color[graph->edges[i].waiter] == WHITE)
			circle = order_from(graph, graph->edges[i].waiter, strict, stack, at);
	for (int64 i = 0; i < graph->nedges && circle < 0 && strict; i++)
	{
		Edge	   *edge = &graph->edges[i];

		if (graph->color[edge->blocker] == WHITE)
			circle = order_from(graph, edge->blocker, strict, stack, at);
		if (circle < 0 && edge->parkable && graph->position[edge->waiter] < graph->position[edge->blocker])
			graph->parked[edge->blocker] |= UINT64CONST(1) << edge->index;
	}
	pfree(stack);
	pfree(at);
	return circle;
}

/* The keys of these changes, the first ones. */
static char *
keys_of(const Mapping *mapping, Datum *numbers, int count)
{
	ArrayType  *array = construct_array(numbers, count, INT8OID, sizeof(int64), true, TYPALIGN_DOUBLE);

	caller_sql(psprintf("SELECT pg_catalog.string_agg(%s, ', ' ORDER BY number) FROM syncup_change s WHERE number OPERATOR(pg_catalog.=) ANY ($1)",
						key_text_sql(mapping, "s")), SQL_ARGS(SQL_DATUM(INT8ARRAYOID, PointerGetDatum(array))));
	return sql_text(0, 1);
}

/* Errors about a circle of changes that cannot be parked, one of which is known. */
static void
refuse_circle(const Mapping *mapping, const Graph *graph, List *indexes, int64 start)
{
	Datum		numbers[MAX_NAMED_ROWS];
	int			count = 0;
	int64		node = start;
	UniqueIndex *unique = NULL;

	/* Each has one blocker by each index; those on the way round are grey. */
	do
	{
		int64		next = -1;

		if (count < MAX_NAMED_ROWS)
			numbers[count] = Int64GetDatum(node);
		count++;
		for (int64 i = graph->first[node]; i < graph->first[node + 1]; i++)
			if (!graph->edges[i].parkable && graph->color[graph->edges[i].blocker] == GREY)
			{
				unique = list_nth(indexes, graph->edges[i].index);
				next = graph->edges[i].blocker;
			}
		node = next;
	} while (node >= 0 && node != start && count < graph->nedges);
	ereport(ERROR,
			(errcode(ERRCODE_UNIQUE_VIOLATION),
			 errmsg("rows of %s exchange their values in unique index \"%s\", and none can give its value up first",
					mapping->target_name, unique->name),
			 errdetail("Keys: %s%s.", keys_of(mapping, numbers, Min(count, MAX_NAMED_ROWS)), count > MAX_NAMED_ROWS ? ", ..." : ""),
			 errdetail_log("Their keys were sent to the client."),
			 errhint("Declare the constraint DEFERRABLE, or let its columns take nulls, if no foreign key refers to them.")));
}

/* ---------- rows put in order ---------- */

/* Numbers the changes in their order; those that wait for none come first. */
static void
renumber(TypedRows *changes, const Graph *graph)
{
	Tuplestorestate *store = tuplestore_begin_heap(true, false, work_mem);
	TupleTableSlot *slot = MakeSingleTupleTableSlot(changes->tupdesc, &TTSOpsMinimalTuple);

	tuplestore_rescan(changes->store);
	while (tuplestore_gettupleslot(changes->store, true, false, slot))
	{
		int64		node;

		slot_getallattrs(slot);
		node = DatumGetInt64(slot->tts_values[CHANGE_NUMBER - 1]);
		slot->tts_values[CHANGE_NUMBER - 1] =
			Int64GetDatum(graph->color[node] == WHITE ? 0 :
						  (graph->position[node] + 1) | (int64) (graph->parked[node] << PLACE_BITS));
		tuplestore_putvalues(store, changes->tupdesc, slot->tts_values, slot->tts_isnull);
	}
	ExecDropSingleTupleTableSlot(slot);
	typed_rows_forget(changes);
	changes->store = store;
	typed_rows_publish(changes);
}

/* Makes the graph of what waits for what. */
static void
find_graph(const Mapping *mapping, const TypedRows *changes, List *indexes, Graph *graph)
{
	EdgeSink	sink = {graph, 64, 0};

	graph->edges = palloc(sizeof(Edge) * sink.space);
	foreach_ptr(UniqueIndex, unique, indexes)
	{
		sink.index = foreach_current_index(unique);
		find_edges(mapping, changes, unique, &sink);
	}
	if (graph->nedges == 0)
		return;
	qsort(graph->edges, graph->nedges, sizeof(Edge), compare_edges);
	graph->nnodes = changes->count;
	graph->first = palloc_extended(sizeof(int64) * (graph->nnodes + 1), MCXT_ALLOC_HUGE);
	graph->color = palloc_extended(graph->nnodes, MCXT_ALLOC_HUGE);
	graph->ordered = palloc_extended(sizeof(int64) * graph->nnodes, MCXT_ALLOC_HUGE);
	graph->position = palloc_extended(sizeof(int64) * graph->nnodes, MCXT_ALLOC_HUGE);
	graph->parked = palloc_extended(sizeof(uint64) * graph->nnodes, MCXT_ALLOC_HUGE);
	for (int64 node = 0, i = 0; node <= graph->nnodes; node++)
	{
		while (i < graph->nedges && graph->edges[i].waiter < node)
			i++;
		graph->first[node] = i;
	}
}

Passing *
passing_order(const Mapping *mapping, TypedRows *changes)
{
	List	   *indexes = changes->actions[ACTION_UPDATE] > 1 ? find_indexes(mapping, changes) : NIL;
	Graph		graph = {0};
	Passing    *passing;
	int64		circle;

	if (indexes != NIL)
		find_graph(mapping, changes, indexes, &graph);
	if (graph.nedges == 0)
		return NULL;
	if (order_all(&graph, false) >= 0 && (circle = order_all(&graph, true)) >= 0)
		refuse_circle(mapping, &graph, indexes, circle);

	passing = palloc0(sizeof(Passing));
	passing->parks = palloc0(sizeof(int64) * mapping->ncolumns);
	for (int64 i = 0; i < graph.nnodes; i++)
		passing->parked += graph.parked[i] != 0;
	for (int x = 0; x < list_length(indexes); x++)
	{
		foreach_int(column, ((UniqueIndex *) list_nth(indexes, x))->parkable)
			passing->parks[column] |= INT64CONST(1) << (x + PLACE_BITS);
	}
	renumber(changes, &graph);
	return passing;
}
