-- The four schemas (SPEC 2).  Plain CREATE SCHEMA: if one of these names is
-- taken, installation stops rather than adopt somebody else's schema.

CREATE SCHEMA syncup;
COMMENT ON SCHEMA syncup IS 'syncup: configuration, queue, history and views';

CREATE SCHEMA syncup_previous;
COMMENT ON SCHEMA syncup_previous IS 'syncup: per mapping, the source as it was last applied (one table <connector>_<mapping> each)';

CREATE SCHEMA syncup_delta;
COMMENT ON SCHEMA syncup_delta IS 'syncup: per mapping, what prepared batches change in previous (one table <connector>_<mapping> each)';

CREATE SCHEMA syncup_changes;
COMMENT ON SCHEMA syncup_changes IS 'syncup: per mapping, what a batch does to the target: typed, to be inspected (one table <connector>_<mapping> each)';
