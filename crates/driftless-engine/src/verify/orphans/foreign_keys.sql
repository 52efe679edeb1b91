-- The foreign keys of a table, a row for each column pair. $1 schema, $2 table. Those that partitions inherit are proven
-- with their parent's.
SELECT c.conname::text, pn.nspname::text, p.relname::text, c.confmatchtype = 'f',
       ca.attname::text, pa.attname::text, opn.nspname::text, o.oprname::text
  FROM pg_catalog.pg_constraint AS c
  JOIN pg_catalog.pg_class AS t ON t.oid = c.conrelid
  JOIN pg_catalog.pg_namespace AS tn ON tn.oid = t.relnamespace
  JOIN pg_catalog.pg_class AS p ON p.oid = c.confrelid
  JOIN pg_catalog.pg_namespace AS pn ON pn.oid = p.relnamespace
 CROSS JOIN LATERAL ROWS FROM (
       pg_catalog.unnest(c.conkey), pg_catalog.unnest(c.confkey), pg_catalog.unnest(c.conpfeqop)
       ) WITH ORDINALITY AS k (child, parent, operator, ord)
  JOIN pg_catalog.pg_attribute AS ca ON ca.attrelid = c.conrelid AND ca.attnum = k.child
  JOIN pg_catalog.pg_attribute AS pa ON pa.attrelid = c.confrelid AND pa.attnum = k.parent
  JOIN pg_catalog.pg_operator AS o ON o.oid = k.operator
  JOIN pg_catalog.pg_namespace AS opn ON opn.oid = o.oprnamespace
 WHERE c.contype = 'f' AND c.conparentid = 0 AND tn.nspname = $1 AND t.relname = $2
 ORDER BY c.conname, k.ord
