/*
 * prepare.c
 *		From files to a queued batch: syncup_prepare (SPEC 4).
 *
 * The story: lock the connector, see that the mode is allowed, find the files,
 * read each once for all the mappings that share it, queue the batch.  Targets
 * and previous are not touched, and an error anywhere leaves nothing behind:
 * all is one transaction.
 */
#include "prepare/prepare.h"

#include "store/batch.h"
#include "prepare/change_file.h"
#include "prepare/change_files.h"
#include "synchronize/changes.h"
#include "prepare/cleanse.h"
#include "prepare/record.h"
#include "config/config.h"
#include "ldap/cookie.h"
#include "map/connector.h"
#include "tool/crash_point.h"
#include "target/failure.h"
#include "tool/guard.h"
#include "tool/lock.h"
#include "map/mapping.h"
#include "miscadmin.h"
#include "tool/nearest.h"
#include "config/progress.h"
#include "store/quarantine.h"
#include "prepare/session.h"
#include "target/renames.h"
#include "csv/reader.h"
#include "csv/source.h"
#include "tool/sql.h"

PG_FUNCTION_INFO_V1(syncup_prepare);

/* One file and the mappings that read it in the same way. */
typedef struct FileGroup
{
	const char *name;			/* its path, or a pattern */
	List	   *files;			/* of SourceFile: several, where a pattern means changes */
	SourceFile *file;			/* the one being read, in the end the last */
	Options    *options;		/* of its first mapping */
	List	   *mappings;		/* of Mapping */
	CookieRun	cookies;		/* of directories that a relation reads */
} FileGroup;

/*
 * An association that reads no full extract, and whose links follow rows whose key
 * changes: these are known once every file was read.
 */
typedef struct Follower
{
	FileGroup  *group;
	Mapping    *mapping;
	ChangeFile *file;			/* NULL: none was read */
} Follower;

/* One prepare. */
typedef struct Prepare
{
	Connector  *connector;
	const char *mode;
	bool		incremental;
	Session    *session;		/* in which its files were sent; NULL: they lie on the server */
	List	   *queue;			/* batches ahead */
	List	   *superseded;		/* batches that wait, whose place a complete one takes */
	List	   *absent;			/* of Mapping: without their file, which is optional */
	List	   *followers;		/* of Follower: associations whose delta is written last */
	bool		supersedes_changes; /* computed by the source, of cancelled batches */
	pg_uuid_t  *batch;
	Quarantine *quarantine;
} Prepare;

/* ---------- is this mode allowed now ---------- */

/* What a look at a target found. */
typedef struct TargetLook
{
	const Mapping *mapping;
	bool		has_rows;
} TargetLook;

static void
look_at_target(void *arg)
{
	TargetLook *look = arg;

	look->has_rows = changes_target_has_rows(look->mapping);
}

/* Whether a target has rows of the mapping; its scope may fail on one of them. */
static bool
target_has_rows(Mapping *mapping)
{
	TargetLook	look = {mapping, false};
	MappingScope scope;
	ErrorData  *error;

	mapping_enter(&scope, mapping);
	error = guarded(look_at_target, &look);
	mapping_leave(&scope);
	if (error != NULL)
		raise_failure(mapping->connector, error,
					  psprintf("target of mapping \"%s\" of connector \"%s\" cannot be read",
							   mapping->name, mapping->connector->name));
	return look.has_rows;
}

/* Errors unless previous is empty and the targets hold no rows (SPEC 4.4). */
static void
check_initial(Prepare *prepare)
{
	if (prepare->queue != NIL)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" has a batch that waits: %s", prepare->connector->name,
						batch_text(&((Batch *) linitial(prepare->queue))->id)),
				 errhint("Apply it with syncup_synchronize(), or decline it with syncup_discard().")));
	foreach_mapping(mapping, prepare->connector)
	{
		if (has_previous(mapping) || target_has_rows(mapping))
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("an initial run of connector \"%s\" is not possible: mapping \"%s\" has rows already",
							prepare->connector->name, mapping->name),
					 errhint("Use mode complete.")));
	}
}

/* Errors unless an incremental run has something to build on (SPEC 4.4). */
static void
check_incremental(Prepare *prepare)
{
	const char *name = prepare->connector->name;

	foreach_ptr(Batch, batch, prepare->queue)
	{
		if (strcmp(batch->status, "blocked") == 0)
			ereport(ERROR,
					(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
					 errmsg("connector \"%s\" is blocked by batch %s", name, batch_text(&batch->id)),
					 errhint("Review it with syncup_report(), then call syncup_resume() or syncup_discard(), or run a complete synchronization.")));
	}
	if (prepare->connector->needs_complete)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" needs a complete run", name),
				 errdetail("Its options or a mapping changed, or changes computed by the source were declined, undone or not readable."),
				 errhint("CALL syncup_run(%s, 'complete').", quote_literal_cstr(name))));
	if (!batch_has_base(name))
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" has no applied initial or complete run to build on", name),
				 errhint("Run syncup_prepare(%s, 'initial') and syncup_synchronize(%s) first, or mode complete where the targets hold rows.",
						 quote_literal_cstr(name), quote_literal_cstr(name))));
}

/* Reads on as if nothing waited, in favour of a complete batch. */
static void
supersede_queue(Prepare *prepare)
{
	foreach_ptr(Batch, batch, prepare->queue)
		prepare->supersedes_changes |= batch->source_changes;
	prepare->superseded = prepare->queue;
	prepare->queue = NIL;
}

/*
 * Takes those batches out of the queue.  At the end of the prepare: until then
 * they can be looked at.
 */
static void
cancel_superseded(Prepare *prepare)
{
	foreach_ptr(Batch, batch, prepare->superseded)
	{
		batch_set_status(&batch->id, "cancelled");
		batch_forget_rows(&batch->id, prepare->connector, false);
	}
}

void
check_mode_name(const char *mode)
{
	static const char *const modes[] = {"initial", "complete", "incremental"};
	NameList	nearest = {.wanted = mode};

	for (size_t i = 0; i < lengthof(modes); i++)
	{
		if (strcmp(mode, modes[i]) == 0)
			return;
		name_list_add(&nearest, modes[i], NULL);
	}
	ereport(ERROR,
			(errcode(ERRCODE_INVALID_PARAMETER_VALUE),
			 errmsg("unknown mode \"%s\"", mode),
			 errhint("%sModes are initial, complete and incremental.", did_you_mean(&nearest))));
}

/* Sees that the mode is possible now. */
static void
check_mode(Prepare *prepare)
{
	Connector  *connector = prepare->connector;

	if (!connector->active)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" is deactivated", connector->name),
				 errhint("Call syncup_activate(%s) to let it run again.", quote_literal_cstr(connector->name))));
	if (connector->nmappings == 0)
		ereport(ERROR,
				(errcode(ERRCODE_OBJECT_NOT_IN_PREREQUISITE_STATE),
				 errmsg("connector \"%s\" has no mapping", connector->name),
				 errhint("Map a file to a table with syncup_map_entity_type().")));
	foreach_mapping(mapping, connector)
		config_check_target(mapping);

	if (strcmp(prepare->mode, "initial") == 0)
		check_initial(prepare);
	else if (strcmp(prepare->mode, "complete") == 0)
		supersede_queue(prepare);
	else
	{
		check_incremental(prepare);
		prepare->incremental = true;
	}
}

/* ---------- which files ---------- */

/* Whether two values of options are the same bytes, or both are not given. */
static bool
same_value(const void *a, const void *b)
{
	return (a == NULL) == (b == NULL) &&
		(a == NULL || (VARSIZE_ANY(a) == VARSIZE_ANY(b) && memcmp(a, b, VARSIZE_ANY(a)) == 0));
}

/* Whether two lists hold the same texts. */
static bool
same_texts(const List *a, const List *b)
{
	if (list_length(a) != list_length(b))
		return false;
	for (int i = 0; i < list_length(a); i++)
		if (strcmp(list_nth(a, i), list_nth(b, i)) != 0)
			return false;
	return true;
}

/* Whether two sets of options read times in the same zone. */
static bool
same_timezone(const Options *a, const Options *b)
{
	return same_text(a->timezone, b->timezone);
}

/* Whether two sets of options read the same file in the same way. */
static bool
read_alike(const Options *a, const Options *b)
{
	return (a->source == NULL) == (b->source == NULL) && a->csv.delimiter == b->csv.delimiter &&
		same_text(a->csv.delimiter_text, b->csv.delimiter_text) && a->csv.quote == b->csv.quote &&
		a->csv.escape == b->csv.escape && a->csv.lenient == b->csv.lenient &&
		a->csv.quoted_empty_null == b->csv.quoted_empty_null && same_text(a->csv.trim, b->csv.trim) &&
		a->encoding == b->encoding && a->header == b->header &&
		a->skip_lines == b->skip_lines && a->on_error == b->on_error &&
		a->csv.short_rows == b->csv.short_rows && same_text(a->comment, b->comment) &&
		same_texts(a->names, b->names) && same_texts(a->nulls, b->nulls) &&
		same_value(a->ignore_lines, b->ignore_lines) && same_value(a->trailer, b->trailer) &&
		same_value(a->commands, b->commands) &&
		same_timezone(a, b) && same_text(a->command_column, b->command_column);
}

/* The mapping's options for this call. */
static Options *
call_options(const Prepare *prepare, const Mapping *mapping, Jsonb *options)
{
	int			allowed = OPTIONS_OF_CONNECTOR | OPTION_CALL |
		(mapping->association ? OPTION_ASSOCIATION : OPTION_ENTITY_TYPE);
	Jsonb	   *documents[] = {mapping->connector->options, mapping->own_options, NULL, options};
	Options    *called = options_read(allowed, lengthof(documents), documents);

	if (!prepare->incremental || called->incremental_file == NULL || called->incremental_options == NULL)
		return called;
	/* Those of the file of incremental runs, which this is. */
	documents[2] = called->incremental_options;
	return options_read(allowed, lengthof(documents), documents);
}

/* Whether a file carries changes: looked at in incremental runs only. */
static bool
carries_changes(const Prepare *prepare, const Options *options)
{
	return prepare->incremental && options->command_column != NULL;
}

/* The files of the session that are read for a mapping; NIL: none was sent. */
static List *
find_sent(const Prepare *prepare, const Mapping *mapping)
{
	if (prepare->session == NULL || mapping->options->source != NULL)
		return NIL;
	return session_find(prepare->session, mapping_file(mapping, prepare->incremental), mapping->options,
						!carries_changes(prepare, mapping->options));
}

/* The files on the server that are read for a mapping: of changes all that a pattern matches. */
static List *
find_lying(const Prepare *prepare, const Mapping *mapping)
{
	const Options *options = mapping->options;
	char	   *path = mapping_path(mapping, prepare->incremental);
	SourceFile *file;

	if (options->pattern && carries_changes(prepare, options))
		return source_find_all(path, options);
	file = palloc(sizeof(SourceFile));
	*file = source_find(path, options);
	return list_make1(file);
}

/* Whether a file that was not sent cannot come from elsewhere. */
static bool
must_be_sent(const Prepare *prepare, const Mapping *mapping)
{
	return prepare->session != NULL && mapping->options->source == NULL &&
		(prepare->session->alone || mapping_is_sent(mapping, prepare->incremental));
}

/*
 * Whether a mapping has no file and need not have one.  Changes that batches held
 * which this one takes the place of must come with it, though.
 */
static bool
takes_no_part(Prepare *prepare, Mapping *mapping)
{
	const char *file;

	if (!mapping->options->optional || (prepare->supersedes_changes && mapping->options->command_column != NULL))
		return false;
	file = must_be_sent(prepare, mapping) ? mapping_file(mapping, prepare->incremental) :
		mapping_path(mapping, prepare->incremental);
	if (!must_be_sent(prepare, mapping) && !source_is_missing(file, mapping->options))
		return false;
	prepare->absent = lappend(prepare->absent, mapping);
	ereport(NOTICE,
			(errmsg("mapping \"%s\" of connector \"%s\" takes no part in this run: there is no file \"%s\"",
					mapping->name, mapping->connector->name, file)));
	return true;
}

/* The files to be read for a mapping; NIL: it takes no part. */
static List *
find_files(Prepare *prepare, Mapping *mapping)
{
	List	   *files = find_sent(prepare, mapping);

	if (files != NIL || takes_no_part(prepare, mapping))
		return files;
	if (must_be_sent(prepare, mapping))
		session_lacks(prepare->session, mapping_file(mapping, prepare->incremental), mapping->options);
	return find_lying(prepare, mapping);
}

/* Whether two lists are of the same files. */
static bool
same_files(const List *a, const List *b)
{
	ListCell   *one;
	ListCell   *other;

	if (list_length(a) != list_length(b))
		return false;
	forboth(one, a, other, b)
		if (strcmp(((SourceFile *) lfirst(one))->path, ((SourceFile *) lfirst(other))->path) != 0)
			return false;
	return true;
}

/* Finds each mapping's file, and puts those that share one together. */
static List *
group_files(Prepare *prepare, Jsonb *options)
{
	List	   *groups = NIL;

	foreach_mapping(mapping, prepare->connector)
	{
		FileGroup  *group = NULL;
		const Options *usual = mapping->options;
		MappingScope scope;
		List	   *files;

		mapping_enter(&scope, mapping);
		mapping->options = call_options(prepare, mapping, options);
		mapping->state.called_timezone = !same_timezone(usual, mapping->options);
		files = find_files(prepare, mapping);
		mapping_leave(&scope);
		if (files == NIL)
			continue;
		foreach_ptr(FileGroup, other, groups)
		{
			if (same_files(other->files, files) && read_alike(other->options, mapping->options))
				group = other;
		}
		if (group == NULL)
		{
			group = palloc0(sizeof(FileGroup));
			group->name = ((SourceFile *) linitial(files))->upload != NULL ?
				mapping_file(mapping, prepare->incremental) : mapping_path(mapping, prepare->incremental);
			group->files = files;
			group->file = linitial(files);
			group->options = mapping->options;
			groups = lappend(groups, group);
		}
		group->mappings = lappend(group->mappings, mapping);
	}
	return groups;
}

/* ---------- reading ---------- */

/* Shows now and then how far the file was read. */
static inline void
show_rows(Reader *reader, int64 rows)
{
	progress_keep();
	if (rows % 1024 != 0)
		return;
	progress_bytes(source_position(reader_source(reader)), source_size(reader_source(reader)));
	progress_rows(rows);
}

/* Gives every row of the file to the cleansers of this pass. */
static void
read_rows(Reader *reader, List *cleansers, MappingScope *scope)
{
	int64		rows = 0;

	progress_phase(PROGRESS_PREPARE, PHASE_READING, record_of(linitial(cleansers))->mapping);
	while (reader_next(reader))
	{
		CHECK_FOR_INTERRUPTS();
		foreach_ptr(Cleanser, cleanser, cleansers)
		{
			mapping_at(scope, record_of(cleanser)->mapping);
			cleanser_take(cleanser);
		}
		mapping_at(scope, NULL);
		CRASH_POINT("reading a row");
		show_rows(reader, ++rows);
	}
}

/* Reads the file as often as its keys do not fit into memory at once. */
static void
read_passes(Reader *reader, List *cleansers, MappingScope *scope)
{
	for (bool first = true;; first = false)
	{
		List	   *busy = NIL;

		foreach_ptr(Cleanser, cleanser, cleansers)
		{
			mapping_at(scope, record_of(cleanser)->mapping);
			progress_phase(PROGRESS_PREPARE, PHASE_BASELINE, record_of(cleanser)->mapping);
			if (cleanser_begin_pass(cleanser))
				busy = lappend(busy, cleanser);
		}
		mapping_at(scope, NULL);
		if (busy == NIL)
			return;
		if (!first)
			reader_rewind(reader);
		read_rows(reader, busy, scope);
		foreach_ptr(Cleanser, cleanser, busy)
		{
			mapping_at(scope, record_of(cleanser)->mapping);
			cleanser_end_pass(cleanser);
		}
	}
}

/*
 * Says that rows stay which a bad row may be, by another key or in another scope.
 * A file of changes does not tell again that they go, or what became of them.
 */
static void
miss_deletions(Prepare *prepare, const Mapping *mapping, int64 kept)
{
	batch_ask_for_complete(prepare->connector->name);
	ereport(NOTICE,
			(errmsg_plural("batch %s keeps %lld row of mapping \"%s\" of connector \"%s\": a bad row may be the same under another key, or in another scope",
						   "batch %s keeps %lld rows of mapping \"%s\" of connector \"%s\": bad rows may be the same under other keys, or in another scope",
						   kept, batch_text(prepare->batch), (long long) kept, mapping->name, prepare->connector->name),
			 errhint("See syncup.quarantine. The connector needs a complete run.")));
}

/* Records what a mapping counted, and what a person should know at once. */
static void
record(Prepare *prepare, FileGroup *group, const Mapping *mapping,
	   const PrepareCounter *counter)
{
	PrepareCounter counted = *counter;
	int64		kept = 0;
	int64		renamed = mapping->association ? 0 : renames_find(mapping, prepare->batch, &kept);

	/* A key that changes is one update. */
	counted.delta_inserted -= renamed;
	counted.delta_deleted -= renamed + kept;
	counted.delta_updated += renamed;
	batch_count_prepare(prepare->batch, mapping, group->file, &counted);
	if (group->file != NULL && group->file->header != NULL)
		batch_note_header(prepare->batch, mapping, group->name, group->file->header);
	/* Deletions that the source computed will not come again. */
	if (counter->deletions_suspended && carries_changes(prepare, group->options))
		batch_ask_for_complete(prepare->connector->name);
	if (kept > 0 && carries_changes(prepare, group->options))
		miss_deletions(prepare, mapping, kept);
	if (counter->deletions_suspended)
		ereport(NOTICE,
				(errmsg("batch %s deletes nothing in mapping \"%s\" of connector \"%s\": a bad row has no readable key",
						batch_text(prepare->batch), mapping->name, prepare->connector->name),
				 errhint("See syncup.quarantine.")));
}

/* Reads a full extract for all the mappings that share it. */
static void
read_extract(Prepare *prepare, FileGroup *group, Reader *reader, MappingScope *scope)
{
	Size		budget = (Size) maintenance_work_mem * 1024 / list_length(group->mappings);
	List	   *cleansers = NIL;

	foreach_ptr(Mapping, mapping, group->mappings)
	{
		mapping_at(scope, mapping);
		cleansers = lappend(cleansers,
							cleanser_open(mapping, mapping->options,
										  strcmp(prepare->mode, "complete") == 0,
										  prepare->connector->needs_complete,
										  reader, prepare->batch,
										  prepare->queue, prepare->quarantine, budget));
	}
	mapping_at(scope, NULL);
	reader_enter(reader);
	read_passes(reader, cleansers, scope);
	mapping_at(scope, NULL);
	source_check_unchanged(reader_source(reader));
	reader_leave(reader);
	foreach_ptr(Cleanser, cleanser, cleansers)
	{
		mapping_at(scope, record_of(cleanser)->mapping);
		cleanser_close(cleanser);
		record(prepare, group, record_of(cleanser)->mapping, &record_of(cleanser)->counter);
	}
}

/* Reads a full extract that is open, and closes it. */
static void
read_opened(Prepare *prepare, FileGroup *group, Reader *reader, MappingScope *scope)
{
	group->file->modified = source_modified(reader_source(reader));
	group->file->size = source_size(reader_source(reader));
	group->file->header = reader_header(reader);
	read_extract(prepare, group, reader, scope);
	reader_close(reader);
}

/* Reads one file of changes into those of the mappings that have not read it. */
static void
read_change_file(Prepare *prepare, FileGroup *group, Reader *reader, bytea *digest, List *changes,
				 MappingScope *scope)
{
	int64		rows = 0;

	foreach_ptr(ChangeFile, file, changes)
	{
		mapping_at(scope, record_of(file)->mapping);
		change_file_begin(file, reader);
	}
	mapping_at(scope, NULL);
	reader_enter(reader);
	progress_phase(PROGRESS_PREPARE, PHASE_READING, record_of(linitial(changes))->mapping);
	while (reader_next(reader))
	{
		CHECK_FOR_INTERRUPTS();
		foreach_ptr(ChangeFile, file, changes)
		{
			mapping_at(scope, record_of(file)->mapping);
			change_file_take(file);
		}
		mapping_at(scope, NULL);
		CRASH_POINT("reading a change");
		show_rows(reader, ++rows);
	}
	source_check_unchanged(reader_source(reader));
	reader_leave(reader);
	foreach_ptr(ChangeFile, file, changes)
	{
		const Mapping *mapping = record_of(file)->mapping;
		int64		taken = change_file_end(file);

		/* What a directory tells is new: the cookie sees to that. */
		if (!group->cookies.used)
			change_files_remember(prepare->batch, mapping, group->file, digest);
		if (group->options->pattern)
			batch_count_file(prepare->batch, mapping, group->file, taken);
	}
}

/* The changes of the mappings that have not read a file, opened where they are not yet. */
static List *
unread_changes(Prepare *prepare, FileGroup *group, bytea *digest, ChangeFile **changes)
{
	List	   *unread = NIL;

	foreach_ptr(Mapping, mapping, group->mappings)
	{
		ChangeFile **of = &changes[foreach_current_index(mapping)];

		if (change_files_were_read(mapping, group->file, digest))
			continue;
		if (*of == NULL)
			*of = change_file_open(mapping, mapping->options, prepare->batch,
								   prepare->queue, prepare->quarantine, group->cookies.used);
		unread = lappend(unread, *of);
	}
	return unread;
}

/*
 * Whether a file of a pattern has to wait for the next run, because its export
 * goes on.  Changes are applied in the order of their files: one that is ready
 * behind one that is not, is an error.
 */
static bool
has_to_wait(FileGroup *group, SourceFile *file, SourceFile **waiting)
{
	if (change_files_seem_read(linitial(group->mappings), file))
		return false;
	if (!source_is_ready(file, group->options))
	{
		if (*waiting == NULL)
			*waiting = file;
		return true;
	}
	if (*waiting != NULL)
		source_check_ready(*waiting, group->options);
	return false;
}

/*
 * Says that nothing was read: an export that has not come must not apply its
 * last changes, and its deletions, once more.
 */
static void
note_nothing_new(FileGroup *group)
{
	if (group->options->pattern)
		ereport(NOTICE,
				(errmsg("no file that matches \"%s\" is new: the changes of each were read already",
						group->name)));
	else
		ereport(NOTICE,
				(errmsg(group->options->source ? "relation %s is left alone: its changes were read by batch %s already" :
						"file \"%s\" is left alone: its changes were read by batch %s already",
						group->name, change_files_reader(linitial(group->mappings), group->file))));
}

/* Says that a file is left to the next run. */
static void
note_waiting(const SourceFile *file)
{
	ereport(NOTICE,
			(errmsg("file \"%s\" is not ready: the next run reads its changes", file->path)));
}

/*
 * Whether what a relation gave are all entries of a directory: it was asked for
 * them, or does not tell which entries went, and is asked again.
 */
static bool
is_whole(FileGroup *group, Reader **reader)
{
	if (!group->cookies.used || (group->cookies.since && !group->cookies.whole))
		return false;
	if (group->cookies.whole)
	{
		ereport(NOTICE,
				(errmsg("relation %s is read as a whole: a directory does not tell which entries went",
						group->name)));
		reader_close(*reader);
		group->cookies.since = false;
		*reader = reader_open(group->file, group->options);
	}
	group->cookies.whole = true;
	return true;
}

/* Reads the files of changes that were not read yet; whether there was one. */
static bool
read_change_files(Prepare *prepare, FileGroup *group, ChangeFile **changes, MappingScope *scope)
{
	SourceFile *waiting = NULL;
	SourceFile *last = NULL;

	foreach_ptr(SourceFile, file, group->files)
	{
		Reader	   *reader;
		bytea	   *digest;
		List	   *unread;

		if (group->options->pattern && has_to_wait(group, file, &waiting))
			continue;
		group->file = file;
		reader = reader_open(file, group->options);
		if (is_whole(group, &reader))
		{
			read_opened(prepare, group, reader, scope);
			return false;
		}
		file->modified = source_modified(reader_source(reader));
		digest = source_digest(reader_source(reader), &file->size);
		unread = unread_changes(prepare, group, digest, changes);
		if (unread != NIL)
		{
			if (group->options->pattern)
				change_files_check_order(linitial(group->mappings), file, group->name);
			read_change_file(prepare, group, reader, digest, unread, scope);
			last = file;
		}
		reader_close(reader);
	}
	group->file = last ? last : llast(group->files);
	if (waiting != NULL)
		note_waiting(waiting);
	else if (last == NULL)
		note_nothing_new(group);
	return last != NULL;
}

/* Has an association's delta written once every file was read. */
static void
write_later(Prepare *prepare, FileGroup *group, Mapping *mapping, ChangeFile *file)
{
	Follower   *follower = palloc(sizeof(Follower));

	*follower = (Follower) {group, mapping, file};
	prepare->followers = lappend(prepare->followers, follower);
}

/* Writes what the files of changes of a mapping come to; file NULL: none was read. */
static void
write_changes(Prepare *prepare, FileGroup *group, const Mapping *mapping, ChangeFile *file)
{
	PrepareCounter nothing = {0};

	if (file != NULL)
	{
		progress_phase(PROGRESS_PREPARE, PHASE_NET_EFFECT, mapping);
		change_file_finish(file);
	}
	record(prepare, group, mapping, file ? &record_of(file)->counter : &nothing);
}

/* Reads files of changes for all the mappings that share them. */
static void
read_changes(Prepare *prepare, FileGroup *group, MappingScope *scope)
{
	ChangeFile **changes = palloc0(sizeof(ChangeFile *) * list_length(group->mappings));

	/* Those of a directory come again, if the batch is declined. */
	if (read_change_files(prepare, group, changes, scope) && !group->cookies.used)
		batch_mark_source_changes(prepare->batch);
	if (group->cookies.whole)
		return;
	foreach_ptr(Mapping, mapping, group->mappings)
	{
		ChangeFile *file = changes[foreach_current_index(mapping)];

		mapping_at(scope, mapping);
		if (may_follow_renames(mapping))
			write_later(prepare, group, mapping, file);
		else
			write_changes(prepare, group, mapping, file);
	}
}

/* Reads one file, or several of changes, for all its mappings. */
static void
read_group(Prepare *prepare, FileGroup *group)
{
	int			level = settings_pin(group->options->timezone);
	MappingScope scope;

	mapping_enter_all(&scope, group->mappings);
	cookie_run_begin(&group->cookies, prepare->connector->name, prepare->batch);
	group->cookies.since = carries_changes(prepare, group->options) && !group->options->ignore_cookie;
	if (carries_changes(prepare, group->options))
		read_changes(prepare, group, &scope);
	else
		read_opened(prepare, group, reader_open(group->file, group->options), &scope);
	cookie_run_end(&group->cookies);
	mapping_leave(&scope);
	settings_restore(level);
	CRASH_POINT("file read");
}

/*
 * Whether an incremental run would not know any more why a row of a mapping stayed:
 * a file of changes tells it once, be it that the row goes or that it came elsewhere.
 */
static bool
is_told_once(const Prepare *prepare, const Mapping *mapping)
{
	if (mapping->options->command_column != NULL)
		return prepare->incremental;
	foreach_mapping(other, prepare->connector)
		if (!other->association && other->target == mapping->target && other->options->command_column != NULL)
			return true;
	return false;
}

/* Lets nothing go that another mapping of the same table has as a bad row (SPEC 4.3). */
static void
keep_bad_elsewhere(Prepare *prepare)
{
	foreach_mapping(mapping, prepare->connector)
	{
		int64		kept = mapping->association || mapping->options->scope == NULL ? 0 :
			keys_kept_elsewhere(mapping, prepare->batch);

		if (kept == 0)
			continue;
		own_sql("UPDATE syncup.batch_counter SET delta_deleted = delta_deleted - $3 WHERE batch = $1 AND mapping = $2",
				SQL_ARGS(SQL_UUID(prepare->batch), SQL_TEXT(mapping->name), SQL_INT8(kept)));
		if (is_told_once(prepare, mapping))
			miss_deletions(prepare, mapping, kept);
	}
}

/* Counts the mappings whose file is missing; their links follow rows whose key changes all the same. */
static void
count_absent(Prepare *prepare)
{
	foreach_ptr(Mapping, mapping, prepare->absent)
	{
		FileGroup  *group = palloc0(sizeof(FileGroup));

		group->options = mapping->options;
		if (may_follow_renames(mapping))
			write_later(prepare, group, mapping, NULL);
		else
			write_changes(prepare, group, mapping, NULL);
	}
}

/* Writes the deltas of associations that waited for keys that change. */
static void
write_followers(Prepare *prepare)
{
	foreach_ptr(Follower, follower, prepare->followers)
	{
		int			level = settings_pin(follower->group->options->timezone);
		MappingScope scope;

		mapping_enter(&scope, follower->mapping);
		if (follower->file == NULL)
			follower->file = change_file_open(follower->mapping, follower->mapping->options, prepare->batch,
											  prepare->queue, prepare->quarantine, false);
		write_changes(prepare, follower->group, follower->mapping, follower->file);
		mapping_leave(&scope);
		settings_restore(level);
	}
}

/* ---------- the whole ---------- */

/* The session that a call names; NULL: none.  Complains about the call's own options by themselves. */
static pg_uuid_t *
session_of_call(Jsonb *options)
{
	return options_read(OPTIONS_OF_FILES | OPTION_CALL, 1, &options)->session;
}

pg_uuid_t *
prepare(const char *connector, const char *mode, Jsonb *options)
{
	Prepare		work = {0};
	pg_uuid_t  *session = session_of_call(options);
	List	   *groups;
	ConnectorWork at_work;

	check_mode_name(mode);
	lock_connector(connector);
	if (session != NULL)
	{
		work.session = session_take(session, connector, mode, &work.batch);
		if (work.batch != NULL)
			return work.batch;
		session_check_options(work.session, options);
	}
	work_begin(&at_work, connector);
	work.connector = config_load(connector);
	adopt_mapping_tables(work.connector);
	work.mode = mode;
	work.queue = batch_queue(connector);
	check_mode(&work);
	groups = group_files(&work, options);

	work.batch = batch_create(connector, mode);
	/* If the complete run is declined in turn, they are lost. */
	if (work.supersedes_changes)
		batch_mark_source_changes(work.batch);
	work.quarantine = quarantine_open(work.batch);
	CRASH_POINT("batch queued");
	foreach_ptr(FileGroup, group, groups)
		read_group(&work, group);
	keep_bad_elsewhere(&work);
	count_absent(&work);
	write_followers(&work);
	quarantine_close(work.quarantine);
	if (work.session != NULL)
		session_prepared(work.session, work.batch);
	cancel_superseded(&work);
	CRASH_POINT("batch prepared");
	work_end(&at_work);
	progress_end();
	return work.batch;
}

/*
 * syncup_prepare(connector text, mode text, options jsonb) returns uuid
 * (SPEC 4).
 */
Datum
syncup_prepare(PG_FUNCTION_ARGS)
{
	char	   *connector = required_text(fcinfo, 0, "connector");
	char	   *mode = required_text(fcinfo, 1, "mode");
	Jsonb	   *options = PG_ARGISNULL(2) ? NULL : PG_GETARG_JSONB_P(2);
	pg_uuid_t  *result = palloc(sizeof(pg_uuid_t));

	SPI_connect();
	if (session_of_call(options) == NULL)
		session_check_needless(connector);
	*result = *prepare(connector, mode, options);
	SPI_finish();
	PG_RETURN_UUID_P(result);
}
