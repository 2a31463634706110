\set ECHO none
SET client_min_messages = warning;
CALL t.shell('rm -rf "$PWD"');
DROP SCHEMA t CASCADE;
DROP SCHEMA target CASCADE;
DROP EXTENSION IF EXISTS syncup CASCADE;
RESET client_min_messages;
\set ECHO all
