-- The same joins by hand: every wish of every rule beside what is there, and how much
-- differs. This is less than syncup does: it keeps no states, remembers no earlier wish
-- (so it would overwrite what somebody has edited), takes no account that matches two
-- people for ambiguous, and a rule that raises an error stops it.
WITH matched AS MATERIALIZED (SELECT o.id, a.guid FROM model.person o JOIN model.ad a ON a.mail = o.mail)
SELECT (SELECT count(*) FROM (SELECT id FROM model.person WHERE active AND id % 2 = 0) w FULL JOIN matched m USING (id) WHERE w.id IS NULL OR m.id IS NULL),
	(SELECT count(*) FROM matched m JOIN model.person o USING (id) JOIN model.ad a USING (guid) JOIN model.unit u ON u.id = o.unit
		WHERE (a.login, a.mail, a.phone, a.display, a.title, a.department, a.city) IS DISTINCT FROM (lower(left(o.first_name, 1) || o.last_name), o.mail, o.phone, o.last_name || ', ' || o.first_name, o.title, u.name, o.site)),
	(SELECT count(*) FROM (
		SELECT m.guid, g.id FROM matched m JOIN model.person o USING (id) JOIN model.grp g ON g.unit = o.unit
		UNION SELECT m.guid, 'g' || o.grade FROM matched m JOIN model.person o USING (id) WHERE o.grade BETWEEN 0 AND 8) w (account, grp)
		FULL JOIN (SELECT l.* FROM model.ad_member l JOIN matched m ON m.guid = l.account) l USING (account, grp) WHERE w.account IS NULL OR l.account IS NULL);
WITH matched AS MATERIALIZED (SELECT o.id, a.id AS guid FROM model.person o JOIN model.sap a ON a.mail = o.mail)
SELECT (SELECT count(*) FROM (SELECT id FROM model.person WHERE active AND id % 4 = 1) w FULL JOIN matched m USING (id) WHERE w.id IS NULL OR m.id IS NULL),
	(SELECT count(*) FROM matched m JOIN model.person o USING (id) JOIN model.sap a ON a.id = m.guid
		WHERE (a.name, a.mail, a.cost, a.grade, a.last, a.first) IS DISTINCT FROM (o.first_name || ' ' || o.last_name, o.mail, 'C' || o.unit, o.grade, o.last_name, o.first_name)),
	(SELECT count(*) FROM (SELECT m.guid, 'g' || (10 + o.grade) FROM matched m JOIN model.person o USING (id)) w (account, grp)
		FULL JOIN (SELECT l.* FROM model.sap_member l JOIN matched m ON m.guid = l.account) l USING (account, grp) WHERE w.account IS NULL OR l.account IS NULL);
WITH matched AS MATERIALIZED (SELECT o.id, a.id AS guid FROM model.person o JOIN model.wiki a ON a.mail = o.mail)
SELECT (SELECT count(*) FROM (SELECT id FROM model.person WHERE active AND id % 4 = 3) w FULL JOIN matched m USING (id) WHERE w.id IS NULL OR m.id IS NULL),
	(SELECT count(*) FROM matched m JOIN model.person o USING (id) JOIN model.wiki a ON a.id = m.guid JOIN model.unit u ON u.id = o.unit
		WHERE (a.mail, a.name, a.unit, a.site, a.initials, a.active) IS DISTINCT FROM (o.mail, o.last_name, u.name, o.site, left(o.first_name, 1) || left(o.last_name, 1), CASE WHEN o.active THEN 'yes' ELSE 'no' END)),
	(SELECT count(*) FROM (SELECT m.guid, 'g' || (20 + o.grade) FROM matched m JOIN model.person o USING (id)) w (account, grp)
		FULL JOIN (SELECT l.* FROM model.wiki_member l JOIN matched m ON m.guid = l.account) l USING (account, grp) WHERE w.account IS NULL OR l.account IS NULL);
