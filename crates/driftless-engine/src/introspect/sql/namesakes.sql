-- Schemas outside of the system's that have functions of the names $1.
SELECT DISTINCT p.proname::text, n.nspname::text
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.proname = ANY ($1::text[]) AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'
 ORDER BY 1, 2
