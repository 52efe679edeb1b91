-- Columns of the relations $1, in order. A column's sequence is the one of its identity, else one that it owns, else the one
-- that its default draws from.
SELECT a.attrelid,
       a.attname::text,
       a.attnum,
       a.atttypid,
       a.atttypmod,
       pg_catalog.format_type(a.atttypid, a.atttypmod),
       a.attnotnull,
       (a.atthasdef AND a.attgenerated = '') OR t.typdefault IS NOT NULL,
       a.attidentity::text,
       a.attgenerated::text,
       s.nsp,
       s.rel,
       coalesce(l.collisdeterministic, true),
       p.usable AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'SELECT'),
       p.usable AND pg_catalog.has_column_privilege(a.attrelid, a.attnum, 'INSERT')
  FROM pg_catalog.pg_attribute a
  JOIN pg_catalog.pg_class c ON c.oid = a.attrelid
  JOIN pg_catalog.pg_type t ON t.oid = a.atttypid
 CROSS JOIN LATERAL (SELECT pg_catalog.has_schema_privilege(c.relnamespace, 'USAGE') AS usable) p
  LEFT JOIN pg_catalog.pg_collation l ON l.oid = a.attcollation
  LEFT JOIN LATERAL (
        SELECT n.nspname::text AS nsp, q.relname::text AS rel
          FROM (SELECT d.objid AS oid, CASE d.deptype WHEN 'i' THEN 1 ELSE 2 END AS preference
                  FROM pg_catalog.pg_depend d
                 WHERE d.classid = 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass
                   AND d.refobjid = a.attrelid AND d.refobjsubid = a.attnum AND d.deptype IN ('i', 'a')
                 UNION ALL
                SELECT d.refobjid, 3
                  FROM pg_catalog.pg_attrdef f
                  JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_attrdef'::pg_catalog.regclass AND d.objid = f.oid
                 WHERE f.adrelid = a.attrelid AND f.adnum = a.attnum
                   AND d.refclassid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.deptype = 'n') o
          JOIN pg_catalog.pg_class q ON q.oid = o.oid AND q.relkind = 'S'
          JOIN pg_catalog.pg_namespace n ON n.oid = q.relnamespace
         ORDER BY o.preference, o.oid
         LIMIT 1) s ON true
 WHERE a.attrelid = ANY ($1::oid[]) AND a.attnum > 0 AND NOT a.attisdropped
 ORDER BY a.attrelid, a.attnum
