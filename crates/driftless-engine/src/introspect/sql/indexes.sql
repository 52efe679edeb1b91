-- Indexes of the relations $1. {nulls_not_distinct} is the catalog's column from 15 on, false before.
SELECT x.indrelid,
       x.indexrelid,
       c.relname::text,
       pg_catalog.pg_get_indexdef(x.indexrelid),
       x.indisunique,
       x.indisvalid AND x.indisready,
       {nulls_not_distinct},
       ARRAY(SELECT pg_catalog.pg_get_indexdef(x.indexrelid, g.n, true)
               FROM pg_catalog.generate_series(1, x.indnkeyatts) AS g (n) ORDER BY g.n),
       ARRAY(SELECT coalesce(a.attname::text, '')
               FROM pg_catalog.generate_series(1, x.indnkeyatts) AS g (n)
               LEFT JOIN pg_catalog.pg_attribute a ON a.attrelid = x.indrelid AND a.attnum = x.indkey[g.n - 1] AND a.attnum <> 0
              ORDER BY g.n),
       pg_catalog.pg_get_expr(x.indpred, x.indrelid, true),
       x.indisreplident,
       x.indisclustered,
       s.spcname::text,
       EXISTS (SELECT FROM pg_catalog.pg_attribute a WHERE a.attrelid = x.indexrelid AND coalesce(a.attstattarget, -1) >= 0),
       c.relispartition,
       k.conname::text,
       d.description
  FROM pg_catalog.pg_index x
  JOIN pg_catalog.pg_class c ON c.oid = x.indexrelid
  LEFT JOIN pg_catalog.pg_tablespace s ON s.oid = c.reltablespace
  LEFT JOIN pg_catalog.pg_constraint k
         ON k.conrelid = x.indrelid AND k.conindid = x.indexrelid AND k.contype IN ('p', 'u', 'x')
  LEFT JOIN pg_catalog.pg_description d
         ON d.objoid = x.indexrelid AND d.classoid = 'pg_catalog.pg_class'::pg_catalog.regclass AND d.objsubid = 0
 WHERE x.indrelid = ANY ($1::oid[])
 ORDER BY x.indrelid, c.relname
