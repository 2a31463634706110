-- By hand, the first load: COPY into the target and into a second table, which is
-- what keeping the source as it was costs anybody. Both have the 16 columns of the
-- file, as COPY cannot leave columns out.
--
-- Variables: file; name, which the names of the two tables begin with; index_first:
-- whether the indexes are there before the rows.
\set target :name _target
\set previous :name _previous
BEGIN;
SET LOCAL maintenance_work_mem = '256MB';
\if :index_first
ALTER TABLE :target ADD PRIMARY KEY (guid);
ALTER TABLE :previous ADD PRIMARY KEY ("objectGUID");
\endif
COPY :target FROM :'file' (FORMAT csv, HEADER);
COPY :previous FROM :'file' (FORMAT csv, HEADER);
\if :index_first
\else
ALTER TABLE :target ADD PRIMARY KEY (guid);
ALTER TABLE :previous ADD PRIMARY KEY ("objectGUID");
\endif
COMMIT;
