# Who may do what: every object of the extension, for PUBLIC and for the roles of
# docs/security.md, made by the very GRANTs that stand there; and these at work
# with nothing else, from configuration to undo.
use strict;
use warnings;
use PostgreSQL::Test::Cluster;
use PostgreSQL::Test::Utils;
use Test::More;

my $node = PostgreSQL::Test::Cluster->new('roles');
$node->init;
my $dir = PostgreSQL::Test::Utils::tempdir;
$node->append_conf('postgresql.conf', "syncup.directories = '$dir'\nlog_statement = none\n");
$node->start;
my $owner = $node->safe_psql('postgres', 'SELECT current_user');

sub write_file
{
	my ($name, $content) = @_;
	open my $file, '>', "$dir/$name" or die "$name: $!";
	print $file $content;
	close $file;
}

# The SQL of the manual under a heading, block by block.
sub manual
{
	my ($heading) = @_;
	my $text = slurp_file('docs/security.md');
	$text =~ s/\r//g;
	my ($section) = $text =~ /^\Q$heading\E\n(.*?)(?=^## |\z)/ms or die "no \"$heading\" in the manual";
	return $section =~ /^```sql\n(.*?)^```/gms;
}

# What a login role sees or is told.
sub as
{
	my ($role, $sql) = @_;
	my ($status, $stdout, $stderr) = $node->psql('postgres', $sql, extra_params => [ '-U', $role ]);
	return $status == 0 ? $stdout : $stderr;
}

sub refused
{
	my ($role, $sql, $what) = @_;
	like(as($role, $sql), qr/ERROR:  permission denied for (function|procedure|table|view|schema) /, "$role: $what is refused");
}

$node->safe_psql('postgres', <<SQL);
CREATE EXTENSION syncup;
CREATE TABLE people (id int PRIMARY KEY, name text, dept text, badge text DEFAULT 'b');
CREATE TABLE membership (person int, unit int);
CREATE SCHEMA hr;
-- so that the tables of a mapping are among what is walked through
CREATE TABLE hr.other (id int PRIMARY KEY);
SELECT syncup_create_connector('O', '$dir');
SELECT syncup_map_entity_type('O', 'm', 'hr.other', 'o.csv', 'id', '{"id": "id"}');
SQL
my ($grants, $of_targets, $people, $monitoring) = manual('## Three roles');
my ($senders, $agent) = manual('## Senders');
like($grants, qr/FOR ROLE postgres/, 'the manual names the owner');
$grants =~ s/FOR ROLE postgres/FOR ROLE $owner/;
$node->safe_psql('postgres', $_) for $grants, $of_targets, $people, "CREATE ROLE monitoring; $monitoring", $senders;
$node->safe_psql('postgres', <<SQL);
GRANT SELECT (person, unit), INSERT (person, unit), DELETE ON membership TO sync_operate, sync_configure;
CREATE ROLE sync_configurator LOGIN IN ROLE sync_configure;
CREATE ROLE sync_looker LOGIN IN ROLE sync_look;
CREATE ROLE nobody LOGIN;
SQL

# ---------- every object ----------

# By object, those who may use it: execute, read or enter. L is sync_look, O
# sync_operate and C sync_configure, which are members of it; S sync_send; P everybody.
my %may = (
	'schema syncup' => 'LOCS',
	(map { ("schema $_" => 'LOC') } qw(syncup_previous syncup_delta syncup_changes)),
	(map { ("table $_" => 'LOC') } qw(
		syncup.connector syncup.mapping syncup.mapping_column syncup.association syncup.orphan syncup.threshold syncup.threshold_limit syncup.check_definition syncup.check_result syncup.batch_resource
		syncup.batch syncup.batch_counter syncup.batch_cascade syncup.batch_file syncup.source_header syncup.change_file_read syncup.directory_cookie syncup.quarantine syncup.digest_epoch
		syncup.detector syncup.step_kind syncup.reference_step syncup.job_definition syncup.step_definition syncup.run_record syncup.step_record
		syncup.configuration_part syncup.doctor_check syncup.growing_table syncup.rule_kind syncup.rule_definition syncup.rule_relation syncup.resource_type syncup.correlation_key syncup.ownership syncup.assignment syncup.provisioning_order syncup.order_limit syncup.fulfill_kind syncup.role_grant syncup.evaluated syncup.flag syncup.consumer syncup.expression_error syncup.classification syncup.profile_assignment syncup.profile_grant
		syncup.sender syncup.upload_session syncup.upload_file syncup.upload_part
		syncup_previous.o_m syncup_delta.o_m syncup_changes.o_m)),
	(map { ("view $_" => 'LOC') } qw(syncup.threshold_check syncup.counted syncup.mapping_key syncup.mapping_cells syncup.alarm syncup.progress syncup.status
		syncup.job syncup.job_step syncup.job_run syncup.job_step_run syncup.job_status
		syncup.job_at_work syncup.every_run syncup.open_run syncup.late_job
		syncup.rule syncup.correlation syncup.role_model syncup.order_before syncup.to_review syncup.upload)),
	'view syncup.session' => 'LOCS',
	(map { ("sequence $_" => '') } qw(syncup.batch_seq_seq syncup.run_record_run_seq syncup.job_definition_id_seq
		syncup.rule_definition_seq_seq syncup.assignment_assignment_seq syncup.provisioning_order_seq_seq syncup.flag_seq_seq)),
	(map { ("type $_" => 'PLOCS') } qw(syncup.found syncup.result syncup.parent_outcome syncup.step_result syncup.configured syncup.ailment syncup.rule_row syncup.order_result)),
	# look
	(map { ("function $_" => 'LOC') } qw(
		syncup_changes(uuid) syncup_report(uuid,text,jsonb) syncup_report(text,text,jsonb) syncup_dashboard() syncup.batch_named(text) syncup_findings(uuid)
		syncup.findings(uuid) syncup.column_findings(uuid,text) syncup.find_file_almost_empty(uuid,text) syncup.find_keys_respelled(uuid,text) syncup.find_file_cut(uuid,text) syncup.find_file_cut_otherwise(uuid,text) syncup.file_cut(uuid,text,boolean)
		syncup.find_rows_in_common(uuid,text) syncup.find_ends_not_found(uuid,text) syncup.find_links_lost(uuid,text) syncup.find_rows_set_aside(uuid,text) syncup.file_of(uuid,text) syncup.rows_of(text,name,name,boolean,bigint)
		syncup.traits(text) syncup.explained(uuid,text) syncup.way_in_words(text) syncup.examples_in_words(jsonb)
		syncup.sample_changes(uuid,text,integer) syncup.shorten(text,integer) syncup.wrap(text,integer) syncup.what_cascades(uuid) syncup.count_in_words(bigint,text) syncup.counter_rank(text) syncup.exceeded_limits(uuid)
		syncup.next_steps(uuid) syncup.report_as_text(uuid) syncup.check_options(text,jsonb,jsonb))),
	# of which pages are made
	(map { ("function $_" => 'LOC') } split /\n/, $node->safe_psql('postgres',
		q{SELECT oid::regprocedure FROM pg_proc WHERE pronamespace = 'syncup'::regnamespace AND starts_with(proname, 'page_')})),
	# operate
	(map { ("function $_" => 'O') } (
		'syncup_synchronize(text,boolean,boolean,text)', 'syncup_preview(text,text)',
		'syncup_resume(uuid,boolean)', 'syncup_resume(text,boolean)', 'syncup_discard(uuid,text)', 'syncup_discard(text,text)', 'syncup_undo(uuid)')),
	'procedure syncup_run(text,text,boolean,boolean)' => 'O',
	(map { ("function $_" => 'O') } (
		'syncup_create_jobs(text,jsonb)', 'syncup_create_job(text,boolean,jsonb)', 'syncup_drop_step(text,text)', 'syncup_drop_job(text)',
		'syncup_add_step(text,text,text,text,text[],integer,text,boolean,jsonb)', 'syncup_plan(text,text[],text,text)', 'syncup_cancel_job(bigint)',
		'syncup_schedule(text,text)', 'syncup_unschedule(text)', 'syncup_note_schedule(text,text)', 'syncup_forget_schedule(text)', 'syncup.systemd_calendar(text)',
		'syncup_step_at_hand(bigint,text)', 'syncup_batch_totals(uuid)', 'syncup_batch_status(uuid)', 'syncup_must_synchronize(uuid)',
		'syncup_execute(text,bigint,text,interval)', 'syncup_source_files(text)', 'syncup_analyze_own()',
		'syncup_flag(regclass,text)', 'syncup_set_recently_modified_flag()', 'syncup_update_expressions(regclass[],boolean)', 'syncup_update_classification(regclass[],boolean)', 'syncup_classify(text,text,boolean)', 'syncup_set_internal_user_profiles(boolean)',
		'syncup.synchronized(syncup.result[])', 'syncup.run_program(text,interval)',
		map { "syncup.$_(bigint,text)" } qw(step_export step_prepare step_synchronize resume_synchronize step_sql step_program step_maintain step_set_recently_modified_flag step_update_expressions step_update_classification step_set_internal_user_profiles))),
	(map { ("procedure $_" => 'O') } ('syncup_run_job(text,text[],text,text,boolean)', 'syncup_resume_job(bigint,boolean)')),
	# send
	'function syncup_prepare(text,text,jsonb)' => 'OS',
	(map { ("function $_" => 'S') } ('syncup_open_session(text)', 'syncup_upload(uuid,text,integer,bytea,integer)', 'syncup_upload(uuid,text,oid)')),
	(map { ("function $_" => 'O') } ('syncup_generate_provisioning_orders(text[],boolean)', 'syncup_release_orders(uuid)', 'syncup_decline_orders(uuid,text)',
		'syncup_report_order(uuid,text)', 'syncup_write_orders(text,integer)', 'syncup_fulfill_slice(text[],text)', 'syncup_orders_due(text[])', 'syncup.step_resource_types(jsonb)',
		'syncup.step_generate_provisioning_orders(bigint,text)', 'syncup.resume_provisioning_orders(bigint,text)', 'syncup.step_fulfill(bigint,text)')),
	'procedure syncup_fulfill(text[])' => 'O',
	# configure
	(map { ("function $_" => 'C') } (
		'syncup_create_connector(text,text,jsonb)', 'syncup_drop_connector(text)', 'syncup_activate(text)', 'syncup_deactivate(text)',
		'syncup_map_entity_type(text,text,regclass,text,text,jsonb,text[],jsonb)',
		'syncup_map_entity_type(text,text,regclass,text,text[],jsonb,text[],jsonb)',
		'syncup_map_association(text,text,text,text,text,text,text,regclass,name,name,jsonb)',
		'syncup_drop_mapping(text,text)', 'syncup_set_thresholds(text,jsonb,text)', 'syncup_add_check(text,text,text,text)', 'syncup_drop_check(text,text)', 'syncup_grant_sender(text,name)', 'syncup_revoke_sender(text,name)',
		'syncup_read_csv(text,jsonb)', 'syncup_read_delta(text,jsonb)')),
	(map { ("function $_" => 'OC') } ('syncup_read_ldap(text,text,text,text[],jsonb)', 'syncup_read_ldap_changes(text,text,text,text[],jsonb)')),
	# rules
	(map { ("function $_" => 'C') } (
		'syncup_drop_rule(text)', 'syncup_define_expression(regclass,name,text,integer,text)', 'syncup_define_classification(text,text,integer)', 'syncup_define_profile(text,regclass,text,jsonb)', 'syncup_create_resource_type(text,regclass,regclass,jsonb)', 'syncup_drop_resource_type(text)', 'syncup_define_correlation(text,text,text,integer)',
		'syncup_define_role(text,regclass,text,text)', 'syncup_define_type_rule(text,text,text,boolean)', 'syncup_define_scalar_rule(text,name,text,jsonb)',
		'syncup_define_navigation_rule(text,text,text,text,text,boolean)')),
	(map { ("function $_" => 'O') } (
		'syncup_rule_check(text)', 'syncup.step_compute_correlation_keys(bigint,text)', 'syncup.step_compute_role_model(bigint,text)',
		'syncup_compute_correlation_keys(text[],boolean)', 'syncup_decide_owner(text,text,text)',
		'syncup_grant_role(text,text,timestamp with time zone,timestamp with time zone,text)', 'syncup_revoke_role(text,text)',
		'syncup_compute_role_model(text[],boolean)', 'syncup_preview_role_model(text[],boolean)', 'syncup_approve(bigint[],text)',
		'syncup_decline(bigint[],text)')),
	(map { ("function syncup.$_" => '') } (
		'query_as(regrole,text,text)', 'check_query(regrole,text,text)', 'explain_as(regrole,text)', 'analyze_written(bigint,regclass[])', 'plan_in_words(jsonb)', 'rule_check(regrole,text)', 'needs_correlation(text)', 'needs_role_model(text)', 'rule_text(text,text,text,boolean,text)', 'find_key(regclass)', 'key_columns(regclass)', 'key_of(regclass,text)',
		'flag(regrole,regclass,text)', 'write_flags(regclass,text[],text)', 'set_recently_modified_flag(regrole)', 'lock_flags(regclass,boolean)', 'begin_reading()',
		'readers(regclass)', 'has_seen(syncup.consumer,syncup.flag)', 'begin_seeing(text,regclass[])', 'unseen(text,regclass)', 'mark_seen(text,regclass)', 'flag_owned(uuid)', 'bound_flags(regclass,integer)',
		'write_as(regrole,text,text,text)', 'resolve_binding(text,regclass,text)', 'check_column(text,regclass,text)',
		'equal_sql(oid,text,text)', 'equal_columns(regclass,text,text,text)', 'is_given(regclass,text)', 
		'key_as(regclass,text,text)', 'has_key_as(regclass,text,text)', 'binding_joins(bigint,jsonb,text)', 'dirty_way(regclass,jsonb)', 'dirty_rows(regclass,jsonb)',
		'expression_values(jsonb)', 'expression_rows(regclass,jsonb,boolean)', 'expression_statement(regclass,jsonb,boolean)', 'expression_of(text,regclass,jsonb)',
		'check_property(text,regclass,name)', 'reads_column(regrole,jsonb,regclass,text)', 'check_circles(regrole,jsonb,regclass,integer)',
		'expression_reader(regclass,regrole)', 'expression_relations(text)', 'reset_expressions(regclass)', 'forget_expression(text)',
		'define_expression(regrole,regclass,name,text,integer,text)', 'given_keys(regclass,text[])', 'given_dirty(regclass,regrole)',
		'deferrable_constraints(regclass,boolean)', 'write_expressions(regclass,regrole,jsonb,text,text)', 'write_apart(regclass,regrole,jsonb,text,text[])',
		'update_group(regclass,regrole,jsonb,text)', 'update_expressions(regrole,regclass[],boolean)', 'forget_flags(regclass)',
		'check_rule_owner(regrole,text)', 'free_rule_name(text,jsonb)', 'put_rule(regrole,text,text,regclass,text,jsonb,regclass[])', 'drop_rule(regrole,text)',
		'key_parts(regclass,text)', 'key_is(regclass,text,text)', 'rule_given(regclass,regclass,text)', 'is_of_a_row(text)',
		'rule_chunk(regrole,text[],regclass,regclass,text[],text[],text[],text[])', 'rule_rows(regrole,text[],regclass,regclass,text)',
		'rule_query(regrole,text,text)', 'run_rules(text,regrole,text[],regclass,regclass,text,text,text[])', 'name_culprit(regrole,text[],text,text)', 'all_keys(regrole,regclass)',
		'these_keys(text[])', 'resource_type_options()', 'check_resource_type(regrole,text)', 'own_resource_type(regrole,text)',
		'resource_types(regrole,text[])', 'check_resource_type_options(regrole,text,regclass,jsonb)',
		'create_resource_type(regrole,text,regclass,regclass,jsonb)', 'drop_resource_type(regrole,text)', 'forget_correlation(text)',
		'correlation_query(text,regclass,text,text,boolean)', 'define_correlation(regrole,text,text,text,integer)', 'correlation_value(text)',
		'compute_keys(syncup.resource_type,syncup.rule_definition,text,text,boolean)', 'compute_correlation_keys(regrole,text[],boolean)',
		'forget_absent(syncup.resource_type)', 'match_once(syncup.resource_type)', 'match_accounts(syncup.resource_type,boolean)',
		'has_row(regrole,regclass,text)', 'decide_owner(regrole,text,text,text)', 'forget_role(text)', 'mark_stale(text)', 'check_role(text,regclass,text)',
		'define_role(regrole,text,regclass,text,text)', 'role_to_grant(regrole,text)',
		'grant_role(regrole,text,text,timestamp with time zone,timestamp with time zone,text)', 'revoke_role(regrole,text,text)',
		'check_condition(regrole,text,syncup.resource_type,text)', 'owner_and_account(syncup.resource_type)', 'check_scope(regrole,text,text,text)', 'define_type_rule(regrole,text,text,text,boolean)', 'value_type(regclass,name)', 
		'define_scalar_rule(regrole,text,name,text,jsonb)', 'association_of(regclass,text)', 'link_query(regclass,text,text)', 'is_query(text)',
		'define_navigation_rule(regrole,text,text,text,text,text,boolean)', 'same_value(text,text,text)',
		'assignment_statement(text,text,text,text,text[],timestamp with time zone)', 'rules_of(text,text)', 'condition_sql(text,jsonb)',
		'signature(syncup.resource_type)', 'with_roles(syncup.resource_type,text,text[])', 'keys_sql(text[],text)', 'role_levels(regclass,regrole)',
		'compute_role_level(regclass,regrole,text[],text[],text[],timestamp with time zone)',
		'compute_roles(regclass,regrole,boolean,timestamp with time zone)', 'move_assignments(syncup.resource_type,text[])',
		'forget_kind(syncup.resource_type,text)', 'compute_accounts(syncup.resource_type,text[],timestamp with time zone)', 'at_work_sql()',
		'pairs_at_work(syncup.resource_type,text[])', 'forget_pairs(syncup.resource_type,text[])', 'in_pairs(text[])',
		'roles_named(syncup.resource_type)', 'holders(syncup.resource_type,text[])', 'wanted_sql(syncup.resource_type)', 'is_there(regclass)', 'wanted_lateral(syncup.resource_type)',
		'empty_sql(syncup.resource_type)', 'scalar_values(syncup.resource_type)', 'standing_pairs(syncup.resource_type,text[])', 'forget_evaluated(syncup.resource_type,text[])',
		'link_digests(syncup.resource_type,boolean)', 'digest_query(syncup.resource_type,boolean)', 'note_digests(syncup.resource_type,text[],integer)',
		'owners_to_decide(syncup.resource_type,text,text[])',
		'alone(text[],integer)', 'compute_scalars(syncup.resource_type,text[],timestamp with time zone)', 'link_queries(syncup.resource_type)',
		'compute_links(syncup.resource_type,text[],timestamp with time zone)', 'owners_to_look_at(syncup.resource_type,text,text[])',
		'compute_resource_type(syncup.resource_type,boolean,timestamp with time zone)',
		'compute_model(regrole,text[],boolean,timestamp with time zone)', 'compute_role_model(regrole,text[],boolean)',
		'preview_role_model(regrole,text[],boolean)', 'decidable(regrole,bigint[])', 'decide(regrole,syncup.assignment,text,text,text)',
		'is_suggested(syncup.assignment)', 'approve(regrole,bigint[],text)', 'reject_owner(regrole,syncup.assignment)', 'decline(regrole,bigint[],text)')),
	# and what proposals are made of
	'view syncup.value_kind' => 'LOC',
	(map { ("function $_" => 'C') } (
		'syncup.csv_dialect(text,jsonb)', 'syncup.match_option(integer,text)', 'syncup.suggested_connector(text)',
		'syncup.file_ends(text,jsonb,integer)', 'syncup.directory_files(text)', 'syncup.regexp_literal(text)', 'syncup.csv_columns(text,jsonb)',
		'syncup.csv_trouble(text,jsonb)', 'syncup.key_likeness(text,text,text)', 'syncup.csv_regularity(text,text,text)',
		'syncup.text_of(bytea,text[])', 'syncup.csv_signs(text)', 'syncup.cell_shape(text)', 'syncup.csv_trailer(text,text,integer,text,text)', 'syncup.csv_remedies(jsonb,boolean)',
		'syncup.fits_kind(regclass,name,syncup.value_kind)', 'syncup.list_separator(regclass,name)', 'syncup.load_copy(text,jsonb,name,text[])',
		'syncup.suggested_columns(integer)', 'syncup.profile_column(regclass,name)', 'syncup_csv_sample(text,jsonb)', 'syncup.suggest_clear()',
		'syncup.suggest_begin()', 'syncup.suggest_file(text,text,text,timestamp with time zone,jsonb)', 'syncup.suggest_series()',
		'syncup.all_values(name,name,text)', 'syncup.suggest_composite(integer,name)', 'syncup.suggest_keys()',
		'syncup.is_named_for(text,text,text)', 'syncup.count_found(name,name,text,name,name,text)', 'syncup.dn_or_null(text)',
		'syncup.suggest_links()', 'syncup.name_in_sql(text,text)', 'syncup.in_comment(text)', 'syncup.call_in_sql(text,text[])',
		'syncup.options_in_sql(jsonb)', 'syncup.suggested_table(integer)', 'syncup.suggested_entity_type(integer,text)',
		'syncup.suggested_link(integer,integer,text)', 'syncup.suggested_pairs(integer,text)', 'syncup.suggested_text(text,text)',
		'syncup.suggest_end(text,text)', 'syncup_suggest(text,text,jsonb)', 'syncup_suggest(text)')),
	# documents and doctor
	(map { ("function $_" => 'LOC') } (
		'syncup.associations_there(text)', 'syncup.checks_there(text)', 'syncup.configuration_there(text)', 'syncup.connectors_there(text)', 'syncup.entity_types_there(text)',
		'syncup.jobs_there(text)', 'syncup.limits_there(text)', 'syncup.mapped_columns(text,text)', 'syncup.resource_types_there(text)',
		'syncup.rules_there(text)', 'syncup.senders_there(text)', 'syncup.steps_there(text)', 'syncup.thing_name(text[])', 'syncup_export_configuration(text)')),
	(map { ("function $_" => 'C') } (
		'syncup.argument(jsonb,text)', 'syncup.association_call(text,jsonb)', 'syncup.call_of(text,jsonb,text[])', 'syncup.check_call(text,jsonb)', 'syncup.check_document(jsonb)', 'syncup.check_imported(syncup.configuration_part,jsonb,bigint[])', 'syncup.given_options(jsonb)', 'syncup.plain_columns(jsonb)', 'syncup.path_step(text)', 'syncup.path_told(jsonb,text)',
		'syncup.connector_call(text,jsonb)', 'syncup.entity_type_call(text,jsonb)', 'syncup.import_part(syncup.configuration_part,jsonb)',
		'syncup.job_call(text,jsonb)', 'syncup.limits_call(text,jsonb)', 'syncup.resource_type_call(text,jsonb)', 'syncup.rule_call(text,jsonb)',
		'syncup.sender_call(text,jsonb)', 'syncup.step_call(text,jsonb)', 'syncup.things_there(syncup.configuration_part,jsonb)', 'syncup_import_configuration(jsonb,boolean)')),
	(map { ("function $_" => 'O') } (
		'syncup.ails_alarms(text)', 'syncup.ails_files(text)', 'syncup.ails_indexes(text)', 'syncup.ails_jobs(text)', 'syncup.ails_limits(text)',
		'syncup.ails_settings(text)', 'syncup.ails_tables(text)', 'syncup.ails_targets(text)', 'syncup.ails_relations(text)', 'syncup.try_relation(text,regclass)', 'syncup.reads_with_care(regclass)', 'syncup.columns_gone(text,text,text[])', 'syncup.failed_in_cron(text)', 'syncup.mapped_targets(text)', 'syncup_doctor(text)')),
	'function syncup_csv_header(text,jsonb)' => 'OC',
	# granted to nobody
	'function syncup_export(uuid,text)' => '',
	'function syncup_purge(interval)' => '',
	'procedure syncup_run_purge(interval)' => '',
	'function syncup.read_csv_support(internal)' => '',
	'aggregate syncup.row_sums(bytea,bigint,"any")' => 'PLOCS',
	(map { ("function syncup.row_sums_$_" => '') } 'add(internal,bytea,bigint,"any")', 'bytes(internal)', 'combine(internal,internal)', 'from_bytes(bytea,internal)'),
	'function syncup.ldap_validator(text[],oid)' => '',
	'foreign-data wrapper syncup_ldap' => '',
	'function syncup.what_exceeds(uuid)' => '',
	'function syncup.key_values(text)' => '',
	'function syncup.dn_normal_form(text)' => 'PLOCS',
	# called by these, as the owner of the extension
	(map { ("function syncup.$_" => '') } (
		'check_relations(text,text,uuid)', 'add_check(regrole,text,text,text,text)', 'drop_check(regrole,text,text)', 'run_checks(uuid)', 'what_checks_say(uuid)',
		'check_job_owner(regrole,text)', 'lock_job(regrole,text)', 'job_options()', 'create_job(regrole,text,boolean,jsonb)',
		'step_ancestors(text,text[])', 'check_step(text,text,text,text,text[],integer,text,jsonb)',
		'add_step(regrole,text,text,text,text,text[],integer,text,boolean,jsonb)', 'drop_step(regrole,text,text)', 'drop_job(regrole,text)',
		'decide_start(text,syncup.parent_outcome[])', 'why_left_out(text,text,boolean)', 'selected_steps(text,text[],text,text)',
		'plan(regrole,text,text[],text,text)', 'planned_parents(text[],jsonb,boolean)', 'launched_how()', 'check_owner_exists(text,regrole)', 'job_to_run(regrole,text,text[],text,text)',
		'record_interrupted(integer)', 'begin_run(regrole,text,text[],text,text,boolean)', 'run_not_started(regrole,text,integer)',
		'announce_run(bigint,text,text)', 'forget_runs(text,jsonb)', 'decide_level(bigint,integer,integer)', 'begin_round(bigint,integer)',
		'next_step(bigint)', 'step_function(bigint,integer)', 'finish_step(bigint,integer,jsonb,text,text)', 'add_counters(jsonb,jsonb)', 'end_run(bigint)',
		'session_state()', 'restore_session(text[])', 'cancel_job(regrole,bigint)', 'job_to_resume(regrole,bigint)', 'resume_not_started(regrole,bigint,integer)',
		'begin_resume(regrole,bigint,boolean)', 'step_at_hand(regrole,bigint,text)', 'batch_totals(regrole,uuid)', 'must_synchronize(regrole,uuid)',
		'batch_status(regrole,uuid)', 'analyze_own(regrole)', 'needs_export(text)', 'needs_prepare(text)', 'needs_flags(text)', 'needs_expressions(text)', 'needs_classification(text)', 'needs_profiles(text)',
		'define_classification(regrole,text,text,integer)', 'classifier(regclass)', 'reset_classification(regclass)', 'forget_classification(text)', 'has_owner(regclass,text)',
		'classify(regrole,text,text,boolean)', 'ask_classification(regclass,text[])', 'classify_accounts(regclass,regrole,boolean)', 'update_classification(regrole,regclass[],boolean)',
		'check_profile_role(regrole,text)', 'profile_query(syncup.rule_definition)', 'profile_reader(text)', 'define_profile(regrole,text,regclass,text,jsonb)', 'forget_profile(text)',
		'is_member(text,text)', 'grant_profile(syncup.rule_definition)', 'set_profile(syncup.rule_definition,boolean)', 'set_internal_user_profiles(regrole,boolean)', 'is_needed(regrole,text,text)', 'reference_steps(regrole,text,text[],text[])',
		'create_jobs(regrole,text,jsonb)', 'check_cron(text)', 'note_schedule(regrole,text,text)', 'forget_schedule(regrole,text)',
		'may_operate(regrole)', 'check_may_send(regrole,text)', 'steps_hint(text,text)', 'check_connector(text)', 'grant_sender(regrole,text,name)', 'revoke_sender(regrole,text,name)',
		'open_session(regrole,text)', 'own_session(regrole,uuid)', 'begin_upload(regrole,uuid,text,integer)', 'store_part(uuid,text,integer,bytea)',
		'upload(regrole,uuid,text,integer,bytea,integer)', 'upload_row()', 'missing_parts(uuid,text)')),
	(map { ("function syncup.$_" => '') } (
		'answer_of(uuid,text)', 'note_written(syncup.resource_type,syncup.order_result)', 'append_lines(regrole,text,text,text)', 'blocked_orders(regrole,uuid)', 'check_fulfill(text,jsonb)',
		'check_order_limits(syncup.resource_type,uuid,boolean)', 'compare_orders(syncup.resource_type,uuid[])', 'csv_columns_of(syncup.resource_type)',
		'csv_line(text[])', 'csv_lines(syncup.resource_type,uuid[],name[])', 'decline_orders(regrole,uuid,text)',
		'due_orders(syncup.resource_type,syncup.fulfill_kind,text)', 'are_links(jsonb)', 'without_links(jsonb)', 'scalar_changes(jsonb)', 'is_told_sql(syncup.resource_type,name)', 'purge_orders(interval)', 'unknown_assignments(text[])', 'is_made(bigint)', 'is_unmade(syncup.assignment)', 'is_as_told(syncup.assignment,text)', 'is_made_as(bigint,text)', 'ldap_orders(regrole,text,double precision,jsonb[])', 'ldap_values(jsonb,boolean)', 'ldap_value(jsonb,boolean)', 'ldap_list(jsonb,boolean)', 'ldap_columns(syncup.resource_type)', 'ldap_entries(syncup.resource_type,uuid[])',
		'ldap_names(syncup.resource_type,text,text[])', 'ldap_memberships(syncup.resource_type,text)', 'ldap_order(syncup.resource_type,syncup.provisioning_order,jsonb)', 'fulfill_ldap(syncup.resource_type,uuid[])', 'execute_orders(syncup.resource_type,syncup.fulfill_kind,uuid[])',
		'fulfill_csv(syncup.resource_type,uuid[])', 'fulfill_internal(syncup.resource_type,uuid[])', 'fulfill_json(syncup.resource_type,uuid[])',
		'fulfill_manual(syncup.resource_type,uuid[])', 'fulfill_one(syncup.resource_type,syncup.provisioning_order)',
		'fulfill_program(syncup.resource_type,uuid[])', 'fulfill_slice(regrole,text[],text)', 'fulfill_sql(syncup.resource_type,uuid[])',
		'generate_orders(syncup.resource_type,uuid,regrole,boolean)', 'generate_provisioning_orders(regrole,text[],boolean)', 'is_of_the_server(text)',
		'is_running(text)', 'links_of(syncup.resource_type,jsonb)', 'mark_assignments(uuid[],text,text)', 'own_assignments(uuid[])', 'withdraw_orders(uuid[])', 'to_try_again(syncup.resource_type)', 'in_flight(syncup.resource_type,timestamp with time zone)', 'expire_transmitted(syncup.resource_type,timestamp with time zone)', 'take_orders(syncup.resource_type,syncup.fulfill_kind,text)',
		'is_idempotent(syncup.resource_type,syncup.fulfill_kind)', 'slice_size(syncup.resource_type,syncup.fulfill_kind)', 'max_in_flight(syncup.resource_type)', 'end_program()', 'links_now(syncup.resource_type,text,text)', 'missing_ends(syncup.resource_type,bigint[])',
		'needs_orders(text)', 'order_documents(syncup.resource_type)', 'orders_document(uuid[])', 'orders_due(regrole,text[])',
		'orders_given(syncup.resource_type,uuid[])', 'orders_wanted(syncup.resource_type)', 'record_executed(uuid[])',
		'record_result(syncup.resource_type,syncup.order_result,name)', 'record_results(syncup.resource_type,syncup.order_result[])', 'recover_orders(syncup.resource_type,syncup.fulfill_kind,text)',
		'release_orders(regrole,uuid)', 'report_order(regrole,uuid,text)', 'run_orders(regrole,text,uuid[],text[],integer,integer,text)',
		'scalars_of(syncup.resource_type,jsonb)', 'settle_orders(syncup.resource_type)', 'write_accounts(syncup.resource_type,text,name[],uuid[])', 'written_columns(syncup.resource_type)',
		'write_file(regrole,text,text)', 'write_links(syncup.resource_type,text,syncup.provisioning_order)', 'write_order_files(regrole,text,uuid[],integer)',
		'write_orders(regrole,text,integer)')),
	# everybody's: they only compute, and views call some
	(map { ("function syncup.$_" => 'PLOCS') } ('did_you_mean(text,text[])', 'names_hint(text,text[],text,text)', 'connectors_hint(text)', 'common_prefix(text,text)', 'date_parts(text)', 'date_second(text)', 'without_blanks(text)', 'bare_key(text)', 'detect_number(text)',
		'detect_constants(text[],text[])', 'detect_pairs(text[],text[])', 'detect_recoding(text[],text[])', 'detect_exchange(text[],text[])', 'detect_any(text[],text[])', map({ "detect_$_(text,text,text)" } qw(constant recoded change)),
		map { "detect_$_(text,text)" } qw(emptied filled shifted blanks case midnight date_separators date_order moved leading_zeros number_zeros rounded scientific number_separators
			guid entities quotes encoding cut suffix prefix))),
	'function syncup_format(text,text)' => 'PLOCS',
	(map { ("function syncup.$_" => 'PLOCS') } ('cron_field(text,integer,integer,text[])', 'cron_fields(text)', 'next_cron(text,timestamp with time zone)',
		'has_pg_cron()', 'is_missing_in_cron(text,oid)')),
);
my $walk = <<'SQL';
SELECT o.type || ' ' || regexp_replace(regexp_replace(o.identity, '^public\.', ''), 'pg_catalog\.', '', 'g'),
	string_agg(CASE WHEN CASE d.classid
		WHEN 'pg_proc'::regclass THEN has_function_privilege(role, d.objid, 'EXECUTE')
		WHEN 'pg_namespace'::regclass THEN has_schema_privilege(role, d.objid, 'USAGE')
		WHEN 'pg_type'::regclass THEN has_type_privilege(role, d.objid, 'USAGE')
		WHEN 'pg_class'::regclass THEN CASE WHEN o.type = 'sequence' THEN has_sequence_privilege(role, d.objid, 'USAGE, SELECT, UPDATE')
			ELSE has_table_privilege(role, d.objid, 'SELECT') OR has_any_column_privilege(role, d.objid, 'SELECT') END
		END THEN letter END, '' ORDER BY n),
	coalesce(string_agg(CASE WHEN CASE d.classid
		WHEN 'pg_namespace'::regclass THEN has_schema_privilege(role, d.objid, 'CREATE')
		WHEN 'pg_class'::regclass THEN o.type <> 'sequence' AND (has_table_privilege(role, d.objid, 'INSERT, UPDATE, DELETE, TRUNCATE, REFERENCES, TRIGGER')
			OR has_any_column_privilege(role, d.objid, 'INSERT, UPDATE, REFERENCES'))
		END THEN letter END, '' ORDER BY n), '')
FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid
CROSS JOIN pg_identify_object(d.classid, d.objid, 0) AS o
CROSS JOIN (VALUES (1, 'P', 'public'), (2, 'L', 'sync_look'), (3, 'O', 'sync_operate'), (4, 'C', 'sync_configure'), (5, 'S', 'sync_send')) AS r (n, letter, role)
WHERE e.extname = 'syncup'
GROUP BY 1 ORDER BY 1
SQL
my %seen;
for my $row (split /\n/, $node->safe_psql('postgres', $walk))
{
	my ($object, $use, $change) = split /\|/, $row, -1;
	$seen{$object} = 1;
	is($use, $may{$object} // 'an entry in this test', "who may use $object");
	is($change, $object eq 'view syncup.upload' ? 'S' : '', "who may change $object");
}
is(join(', ', grep { !$seen{$_} } sort keys %may), '', 'every entry has its object');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_depend d JOIN pg_extension e ON d.refclassid = 'pg_extension'::regclass AND d.refobjid = e.oid JOIN pg_proc p ON d.classid = 'pg_proc'::regclass AND p.oid = d.objid WHERE extname = 'syncup' AND p.prosecdef"), '0', 'no function is SECURITY DEFINER');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_class c WHERE c.relkind = 'S' AND c.relnamespace::regnamespace::text ~ '^syncup' AND NOT EXISTS (SELECT FROM pg_depend WHERE deptype = 'e' AND classid = 'pg_class'::regclass AND objid = c.oid)"), '0', 'no sequence was passed over');
is($node->safe_psql('postgres', "SELECT count(*) FROM pg_roles WHERE rolname ~ '^(sync_|nobody|monitoring)' AND (rolsuper OR rolcreaterole OR rolcreatedb OR rolbypassrls OR pg_has_role(oid, 'pg_read_server_files', 'MEMBER') OR pg_has_role(oid, 'pg_write_server_files', 'MEMBER'))"), '0', 'none of the roles is more than its GRANTs');

# ---------- the three at work ----------

write_file('people.csv', "id,name,dept\n1,Ada,IT\n2,Bob,HR\n3,Cy,IT\n");
write_file('members.csv', "person,unit\n1,2\n");
as('sync_configurator', $_) eq '' or fail("configure: $_") for
	"SELECT FROM syncup_create_connector('HR', '$dir')",
	"SELECT FROM syncup_map_entity_type('HR', 'people', 'people', 'people.csv', 'id')",
	"SELECT FROM syncup_map_association('HR', 'members', 'members.csv', 'person', 'people.id', 'unit', 'people.id', 'membership', 'person', 'unit')",
	"SELECT FROM syncup_set_thresholds('HR', '{\"maximum_updated_lines\": 5}', 'people')",
	"SELECT FROM syncup_deactivate('HR')", "SELECT FROM syncup_activate('HR')";
is(as('sync_configurator', "SELECT string_agg(name, ' ' ORDER BY ordinal) FROM syncup_csv_header('$dir/people.csv')"), 'id name dept', 'configure: tries the file');
is(as('sync_configurator', "SELECT count(*) FROM syncup_read_csv('$dir/people.csv') AS (id int)"), '3', 'configure: and reads it');
like(as('sync_configurator', "SELECT * FROM syncup_csv_header('/etc/passwd')"), qr/permission denied for file/, 'configure: but no other');
like(as('sync_configurator', "SELECT syncup_map_entity_type('HR', 'other', 'hr.other', 'people.csv', 'id')"), qr/permission denied for table other/, 'configure: nor a table without rights');
is(as('sync_operator', "CALL syncup_run('HR', 'initial')"), '', 'operate: an initial run');
write_file('people.csv', "id,name,dept\n1,Ada,HR\n3,Cy,HR\n");
write_file('members.csv', "person,unit\n1,3\n");
is(as('sync_operator', "SELECT count(*) > 0 FROM syncup_preview('HR', 'complete') WHERE exceeded"), 't', 'operate: a preview');
my $batch = as('sync_operator', "SELECT syncup_prepare('HR', 'complete')");
like($batch, qr/^[0-9a-f-]{36}$/, 'operate: a prepare');
is(as('sync_operator', "SELECT status FROM syncup_synchronize('HR', keep_changes => true)"), 'blocked', 'operate: a synchronize');
is(as('sync_looker', "SELECT blocked FROM syncup.status WHERE connector = 'HR'"), $batch, 'look: a batch is blocked');
is(as('sync_looker', "SELECT count(*) FROM syncup_changes('$batch')"), '6', 'look: its changes');
like(as('sync_looker', "SELECT syncup_report('$batch')"), qr/max_percentage_deleted_lines/, 'look: its report');
unlike(as('sync_looker', "SELECT finding FROM syncup_findings('$batch')"), qr/ERROR/, 'look: its findings');
is(as('sync_looker', "SELECT string_agg(id::text, ' ' ORDER BY id) FROM syncup_changes.hr_people"), '1 2 3', 'look: the change table of a mapping made later');
is(as('sync_looker', "SELECT count(*) FROM syncup_previous.hr_people"), '3', 'look: previous, too');
is(as('sync_looker', "SELECT count(*) FROM syncup_delta.hr_people"), '3', 'look: and delta');
is(as($_, 'SELECT count(*) FROM syncup.digest_epoch'), '0', "$_: no secret key") for qw(sync_looker sync_operator sync_configurator);
isnt($node->safe_psql('postgres', 'SELECT count(*) FROM syncup.digest_epoch'), '0', 'there are some');
is(as('sync_looker', "SELECT count(*) FROM syncup.progress"), '0', 'look: progress');
is(as('sync_operator', "SELECT status, updated, deleted, links_inserted, links_deleted FROM syncup_resume('$batch')"), 'applied|2|1|1|1', 'operate: a resume');
is(as('sync_operator', "SELECT count(*) FROM syncup_undo('$batch')"), '1', 'operate: an undo');
is($node->safe_psql('postgres', "SELECT string_agg(p::text, ' ' ORDER BY id), (SELECT string_agg(m::text, ' ') FROM membership m) FROM people p"), '(1,Ada,IT,b) (2,Bob,HR,b) (3,Cy,IT,b)|(1,2)', 'which took all of it back');
$batch = as('sync_operator', "SELECT syncup_prepare('HR', 'complete')");
is(as('sync_operator', "SELECT FROM syncup_discard('$batch', 'no')"), '', 'operate: a discard');
is($node->safe_psql('postgres', "SELECT DISTINCT who FROM syncup.batch, unnest(ARRAY[prepared_by, synchronized_by, decided_by]) AS who WHERE who IS NOT NULL"), 'sync_operator', 'history knows who');
# A job of the role that operates, run by a member.
is(as('sync_operator', "SET ROLE sync_operate; SELECT * FROM syncup_create_jobs('HR')"), "HR_complete\nHR_incremental\nHR_initial", 'operate: jobs');
like(as('sync_operator', "SET ROLE sync_operate; SELECT syncup_schedule('HR_complete', '5 4 * * *')"), qr/^5 4 \* \* \*  psql/m, 'operate: and when they run');
write_file('people.csv', "id,name,dept\n1,Ada,IT\n2,Bob,HR\n3,Cy,HR\n");
is(as('sync_operator', "CALL syncup_run_job('HR_complete', force => true)"), '', 'operate: runs one');
is(as('sync_operator', "SELECT string_agg(concat_ws(' ', step, state, reason), ', ' ORDER BY ordinal) FROM syncup.job_step_run"),
	'prepare HR success, synchronize HR success, maintain success no batch was forgotten: permission denied for function syncup_purge', 'operate: and sees what it did');
is(as('sync_looker', 'SELECT (SELECT count(*) FROM syncup.job_run), (SELECT count(*) FROM syncup.run_record), (SELECT count(*) FROM syncup.step_definition)'), '0|0|0', 'look: jobs are those of their owner');
is(as('sync_configurator', "SELECT FROM syncup_drop_mapping('HR', 'members')"), '', 'configure: drops a mapping');

# What is none of their business.
refused('nobody', $_, $_) for "SELECT syncup_prepare('HR', 'complete')", "CALL syncup_run('HR', 'complete')", "SELECT * FROM syncup.batch", "SELECT * FROM syncup_previous.hr_people", "SELECT syncup_report('$batch')";
refused('sync_looker', $_, $_) for "SELECT syncup_prepare('HR', 'complete')", "SELECT syncup_resume('$batch')", "SELECT syncup_discard('$batch')", "SELECT syncup_undo('$batch')", "SELECT syncup_deactivate('HR')",
	"SELECT * FROM people", "SELECT * FROM syncup_read_csv('$dir/people.csv') AS (id int)", "UPDATE syncup.batch SET status = 'prepared'", "DELETE FROM syncup_changes.hr_people";
refused('sync_operator', $_, $_) for "SELECT syncup_create_connector('X')", "SELECT syncup_set_thresholds('HR', '{}')", "SELECT syncup_map_entity_type('HR', 'people', 'people', 'people.csv', 'id')", "SELECT syncup_drop_connector('HR')",
	"SELECT syncup_purge('0')", "SELECT syncup_export('$batch', '$dir')", "SELECT syncup.create_job('sync_configurator', 'J', false, '{}')", "SELECT badge FROM people", "UPDATE syncup.threshold SET maximum = 0", "INSERT INTO syncup_delta.hr_people VALUES (NULL)";
refused('sync_configurator', $_, $_) for "SELECT syncup_prepare('HR', 'complete')", "SELECT syncup_synchronize('HR')", "CALL syncup_run('HR', 'complete')", "SELECT syncup_resume('$batch')", "SELECT syncup_undo('$batch')", "SELECT syncup_purge('0')",
	"UPDATE syncup.connector SET directory = '/'", "DELETE FROM syncup_previous.hr_people";
is($node->safe_psql('postgres', "SET ROLE monitoring; SELECT last_status FROM syncup.status WHERE connector = 'HR'"), 'applied', 'monitoring: states');
is($node->safe_psql('postgres', "SELECT has_table_privilege('monitoring', 'syncup.batch', 'SELECT'), has_table_privilege('monitoring', 'syncup.quarantine', 'SELECT'), has_schema_privilege('monitoring', 'syncup_changes', 'USAGE')"), 'f|f|f', 'monitoring: no data');
# ---------- an agent ----------

is(as('sync_configurator', $agent =~ s/^CREATE ROLE.*?;\n//mr), '', 'configure: names a sender') if $node->safe_psql('postgres', $agent =~ s/^SELECT.*//msr) eq '';
my $session = as('hr_agent', "SELECT syncup_open_session('HR')");
is(as('hr_agent', "COPY syncup.upload FROM stdin;\n$session\tpeople.csv\t1\t1\tid,name,dept\\n9,Ned,IT\\n\n\\.\n"), '', 'send: by COPY');
is(as('hr_agent', "SELECT syncup_upload('$session', 'members.csv', 1, E'person,unit\\n')"), '', 'send: by a call');
is(as('hr_agent', "SELECT status, files FROM syncup.session"), 'open|{members.csv,people.csv}', 'send: and sees it');
refused('hr_agent', $_, $_) for "SELECT * FROM syncup.upload", "SELECT * FROM syncup.upload_part", "SELECT * FROM syncup.batch", "SELECT * FROM syncup.sender", "SELECT * FROM people", "SELECT syncup_synchronize('HR')", "CALL syncup_run('HR', 'complete')",
	"SELECT syncup_grant_sender('HR', 'nobody')", "SELECT * FROM syncup_csv_header('$dir/people.csv')", "SELECT syncup_preview('HR', 'complete')";
like(as('hr_agent', "SELECT syncup_prepare('HR', 'complete')"), qr/permission denied to prepare connector "HR" without a session/, 'send: nothing without a session');
$batch = as('hr_agent', "SELECT syncup_prepare('HR', 'complete', '{\"session\": \"$session\"}')");
is(as('sync_operator', "SELECT batch, status FROM syncup_synchronize('HR')"), "$batch|blocked", 'send: a batch, which somebody else applies');
is(as('sync_looker', "SELECT opened_by, status FROM syncup.session"), 'hr_agent|blocked', 'look: who sent');
is(as('sync_operator', "SELECT FROM syncup_discard('$batch', 'no')"), '', 'operate: or declines');

is(as('sync_configurator', "SELECT FROM syncup_drop_connector('HR')"), '', 'configure: drops the connector');

$node->stop;
done_testing();
