-- Foreign keys of other relations that refer to the relations $1; what partitions have from their roots is the root's.
SELECT k.confrelid,
       n.nspname::text,
       c.relname::text,
       k.conname::text
  FROM pg_catalog.pg_constraint k
  JOIN pg_catalog.pg_class c ON c.oid = k.conrelid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 WHERE k.contype = 'f' AND k.conparentid = 0 AND k.conrelid <> k.confrelid AND k.confrelid = ANY ($1::oid[])
 ORDER BY k.confrelid, n.nspname, c.relname, k.conname
