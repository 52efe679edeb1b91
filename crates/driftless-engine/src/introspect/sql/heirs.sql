-- Tables that inherit from the relations $1, at any depth; partitions left out.
WITH RECURSIVE heir (root, oid) AS (
    SELECT i.inhparent, i.inhrelid FROM pg_catalog.pg_inherits i WHERE i.inhparent = ANY ($1::oid[])
     UNION
    SELECT h.root, i.inhrelid FROM heir h JOIN pg_catalog.pg_inherits i ON i.inhparent = h.oid
)
SELECT h.root, n.nspname::text, c.relname::text
  FROM heir h
  JOIN pg_catalog.pg_class c ON c.oid = h.oid AND NOT c.relispartition
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY h.root, n.nspname, c.relname
