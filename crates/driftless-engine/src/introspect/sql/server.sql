-- Who looks, at what server, and what they may create there.
SELECT pg_catalog.current_setting('server_version_num')::int4,
       pg_catalog.current_setting('server_encoding'),
       r.rolname::text,
       r.rolsuper,
       r.rolbypassrls OR r.rolsuper,
       pg_catalog.has_database_privilege(d.oid, 'TEMPORARY'),
       pg_catalog.has_database_privilege(d.oid, 'CREATE'),
       pg_catalog.pg_is_in_recovery() OR pg_catalog.current_setting('default_transaction_read_only')::bool,
       pg_catalog.scale(1::pg_catalog.money::pg_catalog.numeric),
       pg_catalog.pg_is_in_recovery(),
       EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname IN ('supabase_admin', 'supabase_auth_admin')),
       ARRAY(SELECT p.pubname::text FROM pg_catalog.pg_publication p WHERE p.puballtables ORDER BY 1)
  FROM pg_catalog.pg_roles r, pg_catalog.pg_database d
 WHERE r.rolname = current_user AND d.datname = pg_catalog.current_database()
