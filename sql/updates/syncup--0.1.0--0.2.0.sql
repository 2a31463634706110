-- From 0.1.0 to 0.2.0: what changes in tables, types and signatures.

\echo Use "ALTER EXTENSION syncup UPDATE" to load this file. \quit
