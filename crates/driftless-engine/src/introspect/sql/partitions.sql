-- Relations that share rows with the relations $1: their partitions, and those whose partitions they are, at any depth.
WITH RECURSIVE part (of, oid) AS (
    SELECT i.inhparent, i.inhrelid
      FROM pg_catalog.pg_inherits i
      JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
     WHERE i.inhparent = ANY ($1::oid[])
     UNION
    SELECT p.of, i.inhrelid FROM part p JOIN pg_catalog.pg_inherits i ON i.inhparent = p.oid
), whole (of, oid) AS (
    SELECT i.inhrelid, i.inhparent
      FROM pg_catalog.pg_inherits i
      JOIN pg_catalog.pg_class c ON c.oid = i.inhrelid AND c.relispartition
     WHERE i.inhrelid = ANY ($1::oid[])
     UNION
    SELECT w.of, i.inhparent FROM whole w JOIN pg_catalog.pg_inherits i ON i.inhrelid = w.oid
)
SELECT k.of, n.nspname::text, c.relname::text
  FROM (SELECT p.of, p.oid FROM part p UNION ALL SELECT w.of, w.oid FROM whole w) k
  JOIN pg_catalog.pg_class c ON c.oid = k.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
 ORDER BY k.of, n.nspname, c.relname
