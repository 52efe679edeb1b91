-- Sizes of the relations $1, each with everything that inherits from it: rows as the planner estimates them, bytes without
-- indexes, and the pages of the longest heap, so that ranges of ctid up to it cover every one of them. Sizes take a lock of
-- the weakest kind; those not in $2 are answered from the planner's estimates instead.
WITH RECURSIVE member (root, oid) AS (
    SELECT u.oid, u.oid FROM pg_catalog.unnest($1::oid[]) AS u (oid)
     UNION
    SELECT m.root, i.inhrelid
      FROM member m
      JOIN pg_catalog.pg_inherits i ON i.inhparent = m.oid
)
SELECT m.root,
       coalesce(pg_catalog.sum(greatest(c.reltuples, 0)), 0)::int8,
       coalesce(pg_catalog.sum(CASE WHEN m.root = ANY ($2::oid[]) THEN pg_catalog.pg_table_size(c.oid)
                                    ELSE c.relpages::int8 * b.size END), 0)::int8,
       coalesce(pg_catalog.max(CASE WHEN m.root = ANY ($2::oid[]) THEN pg_catalog.pg_relation_size(c.oid) / b.size
                                    ELSE c.relpages END), 0)::int8
  FROM member m
  JOIN pg_catalog.pg_class c ON c.oid = m.oid AND c.relkind IN ('r', 'm', 'p')
 CROSS JOIN (SELECT pg_catalog.current_setting('block_size')::int8 AS size) b
 GROUP BY m.root
