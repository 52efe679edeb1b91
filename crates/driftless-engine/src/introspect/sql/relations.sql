-- Relations that a mapping can name. $1, $2: schemas and names that are wanted; $3: every one outside the system's schemas.
-- Privileges are worth nothing without USAGE on the schema. One granted column is enough to select, insert or update;
-- the columns say which.
SELECT c.oid,
       n.nspname::text,
       c.relname::text,
       c.relkind::text,
       pg_catalog.pg_get_userbyid(c.relowner)::text,
       pg_catalog.pg_has_role(c.relowner, 'USAGE'),
       s.usable AND pg_catalog.has_any_column_privilege(c.oid, 'SELECT'),
       s.usable AND pg_catalog.has_any_column_privilege(c.oid, 'INSERT'),
       s.usable AND pg_catalog.has_table_privilege(c.oid, 'DELETE'),
       s.usable AND pg_catalog.has_any_column_privilege(c.oid, 'UPDATE'),
       pg_catalog.row_security_active(c.oid),
       c.relispopulated,
       s.usable,
       c.relpersistence = 'u',
       (SELECT e.extname::text
          FROM pg_catalog.pg_depend d
          JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
         WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objid = c.oid AND d.deptype = 'e'
           AND d.refclassid = 'pg_catalog.pg_extension'::pg_catalog.regclass
         LIMIT 1),
       c.relkind IN ('r', 'm')
           AND pg_catalog.current_setting('autovacuum')::pg_catalog.bool
           AND pg_catalog.current_setting('track_counts')::pg_catalog.bool
           AND coalesce((SELECT o.option_value::pg_catalog.bool FROM pg_catalog.pg_options_to_table(c.reloptions) AS o
                          WHERE o.option_name = 'autovacuum_enabled'), true),
       EXISTS (SELECT FROM pg_catalog.pg_options_to_table(c.reloptions) AS o WHERE o.option_name = 'autovacuum_enabled')
  FROM pg_catalog.pg_class c
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(n.oid, 'USAGE') AS usable) s
 WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f')
   AND ((n.nspname::text, c.relname::text) IN (SELECT w.nsp, w.rel FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) AS w (nsp, rel))
        OR ($3 AND n.nspname !~ '^pg_' AND n.nspname <> 'information_schema'))
