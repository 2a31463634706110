-- Prepare and synchronize in one call (SPEC 2.2).

CREATE PROCEDURE syncup_run(connector text, mode text, force boolean DEFAULT false, keep_changes boolean DEFAULT false)
AS 'MODULE_PATHNAME' LANGUAGE C;
COMMENT ON PROCEDURE syncup_run(text, text, boolean, boolean) IS
'Prepare, commit, synchronize, commit: the everyday command. A failure is recorded in syncup.batch, then raised; a block is a notice.';
