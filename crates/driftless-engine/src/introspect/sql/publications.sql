-- Publications that send what is inserted into the relations $1, into partitions of them, or into roots above them.
WITH sent AS MATERIALIZED (
    SELECT p.pubname::text AS publication, t.relid
      FROM pg_catalog.pg_publication p
     CROSS JOIN LATERAL pg_catalog.pg_get_publication_tables(p.pubname::text) AS t
     WHERE p.pubinsert
), family AS (
    SELECT s.publication, s.relid FROM sent s
     UNION
    SELECT s.publication, a.relid::pg_catalog.oid FROM sent s CROSS JOIN LATERAL pg_catalog.pg_partition_ancestors(s.relid) AS a (relid)
)
SELECT w.oid, f.publication
  FROM pg_catalog.unnest($1::oid[]) AS w (oid)
  JOIN family f ON f.relid = w.oid
 UNION
SELECT w.oid, s.publication
  FROM pg_catalog.unnest($1::oid[]) AS w (oid)
  JOIN sent s ON s.relid = pg_catalog.pg_partition_root(w.oid)
 ORDER BY 1, 2
