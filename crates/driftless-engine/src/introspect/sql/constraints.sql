-- Constraints of the relations $1. NOT NULL (a constraint since 18) is said by its column. An exclusion over an expression
-- has a zero among its columns. The definition is null when the constraint went away meanwhile. A foreign key to a root has
-- another constraint of its own table behind it for every partition, which says nothing by itself.
SELECT k.conrelid,
       k.oid,
       k.conname::text,
       k.contype::text,
       ARRAY(SELECT coalesce(a.attname::text, '')
               FROM pg_catalog.unnest(k.conkey) WITH ORDINALITY AS u (num, pos)
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = k.conrelid AND a.attnum = u.num
              ORDER BY u.pos),
       pg_catalog.pg_get_constraintdef(k.oid),
       CASE WHEN k.contype = 'f' THEN pn.nspname::text END,
       CASE WHEN k.contype = 'f' THEN pc.relname::text END,
       ARRAY(SELECT a.attname::text
               FROM pg_catalog.unnest(k.confkey) WITH ORDINALITY AS u (num, pos)
               JOIN pg_catalog.pg_attribute a ON a.attrelid = k.confrelid AND a.attnum = u.num
              ORDER BY u.pos),
       k.convalidated,
       k.conparentid <> 0 OR NOT k.conislocal,
       k.condeferrable,
       CASE WHEN k.contype IN ('p', 'u', 'x') THEN k.conindid ELSE 0 END,
       d.description
  FROM pg_catalog.pg_constraint k
  LEFT JOIN pg_catalog.pg_class pc ON pc.oid = k.confrelid
  LEFT JOIN pg_catalog.pg_namespace pn ON pn.oid = pc.relnamespace
  LEFT JOIN pg_catalog.pg_description d
         ON d.objoid = k.oid AND d.classoid = 'pg_catalog.pg_constraint'::pg_catalog.regclass AND d.objsubid = 0
 WHERE k.conrelid = ANY ($1::oid[]) AND k.contype <> 'n'
   AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint r WHERE r.oid = k.conparentid AND r.conrelid = k.conrelid)
 ORDER BY k.conrelid, k.conname, k.oid
