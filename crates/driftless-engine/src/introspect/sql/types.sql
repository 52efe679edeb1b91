-- Some types and every type below them: domains' bases, arrays' elements, composites' fields, ranges' bounds.
-- Only a varlena array that its element names as its own is an array; int2vector and point subscript, but are base types.
WITH RECURSIVE needed (oid) AS (
    {needed}
     UNION
    SELECT below.oid
      FROM needed
      JOIN pg_catalog.pg_type t ON t.oid = needed.oid
     CROSS JOIN LATERAL (
            SELECT t.typbasetype AS oid WHERE t.typtype = 'd'
             UNION ALL
            SELECT e.oid FROM pg_catalog.pg_type e WHERE e.oid = t.typelem AND e.typarray = t.oid
             UNION ALL
            SELECT a.atttypid FROM pg_catalog.pg_attribute a
             WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped
             UNION ALL
            SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) below
)
SELECT t.oid,
       n.nspname::text,
       t.typname::text,
       t.typtype::text,
       t.typarray,
       t.typsend <> 0 AND t.typreceive <> 0,
       CASE WHEN t.typtype = 'd' THEN t.typbasetype ELSE coalesce(e.oid, 0) END,
       t.typtypmod,
       t.typnotnull,
       EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.contypid = t.oid AND k.contype = 'c'),
       ARRAY(SELECT l.enumlabel::text FROM pg_catalog.pg_enum l WHERE l.enumtypid = t.oid ORDER BY l.enumsortorder),
       CASE t.typtype WHEN 'c' THEN fields.types
            ELSE ARRAY(SELECT r.rngsubtype FROM pg_catalog.pg_range r WHERE t.oid IN (r.rngtypid, r.rngmultitypid)) END,
       fields.names,
       fields.modifiers
  FROM needed
  JOIN pg_catalog.pg_type t ON t.oid = needed.oid
  JOIN pg_catalog.pg_namespace n ON n.oid = t.typnamespace
  LEFT JOIN pg_catalog.pg_type e ON e.oid = t.typelem AND e.typarray = t.oid
 CROSS JOIN LATERAL (
       SELECT coalesce(pg_catalog.array_agg(a.atttypid ORDER BY a.attnum), '{}') AS types,
              coalesce(pg_catalog.array_agg(a.attname::text ORDER BY a.attnum), '{}') AS names,
              coalesce(pg_catalog.array_agg(a.atttypmod ORDER BY a.attnum), '{}') AS modifiers
         FROM pg_catalog.pg_attribute a
        WHERE t.typtype = 'c' AND a.attrelid = t.typrelid AND a.attnum > 0 AND NOT a.attisdropped) fields
