-- Links by hand: staging, a join by dn, EXCEPT both ways, then what changed.
--
-- Variable: file; the target is "hand_member", the ends are in link_user and
-- link_group. Prints inserted/updated/deleted.
BEGIN;
SET LOCAL work_mem = '256MB';
DROP TABLE IF EXISTS pairs, wanted, gone, come;
CREATE UNLOGGED TABLE pairs (grp text COLLATE "C", member text COLLATE "C");
COPY pairs FROM :'file' (FORMAT csv, HEADER);
ANALYZE pairs;
CREATE UNLOGGED TABLE wanted AS
SELECT DISTINCT g.guid AS grp, u.guid AS member FROM pairs p JOIN link_group g ON g.dn = p.grp JOIN link_user u ON u.dn = p.member;
ANALYZE wanted;
CREATE UNLOGGED TABLE gone AS SELECT grp, member FROM hand_member EXCEPT SELECT grp, member FROM wanted;
CREATE UNLOGGED TABLE come AS SELECT grp, member FROM wanted EXCEPT SELECT grp, member FROM hand_member;
SELECT concat_ws('/', (SELECT count(*) FROM come), 0, (SELECT count(*) FROM gone));
DELETE FROM hand_member h USING gone WHERE h.grp = gone.grp AND h.member = gone.member;
INSERT INTO hand_member SELECT grp, member FROM come;
COMMIT;
