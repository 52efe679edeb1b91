-- The functions $1 and the functions behind the operators $2.
SELECT false, p.oid, n.nspname::text, p.proname::text, p.provolatile::text, p.pronargs::int4,
       pg_catalog.has_function_privilege(p.oid, 'EXECUTE'), NULL::text
  FROM pg_catalog.pg_proc p
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE p.oid = ANY ($1::oid[])
 UNION ALL
SELECT true, o.oid, n.nspname::text, p.proname::text, p.provolatile::text, p.pronargs::int4,
       pg_catalog.has_function_privilege(p.oid, 'EXECUTE'), o.oprname::text
  FROM pg_catalog.pg_operator o
  JOIN pg_catalog.pg_proc p ON p.oid = o.oprcode
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE o.oid = ANY ($2::oid[])
