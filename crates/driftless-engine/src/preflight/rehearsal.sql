-- What is said of the tables $1 (schemas) and $2 (names), one text per thing: equal texts dump alike. Oids are left out; so is
-- whether the constraints named in $3 are validated, which the rehearsal leaves open.
WITH wanted AS (
    SELECT c.oid, c.relreplident, c.reloptions, n.nspname AS schema, c.relname AS name
      FROM unnest($1::text[], $2::text[]) AS w (schema, name)
      JOIN pg_namespace n ON n.nspname = w.schema
      JOIN pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
)
SELECT w.schema::text, w.name::text, k.conname::text,
       concat_ws('|', 'constraint', k.contype, k.condeferrable, k.condeferred, k.convalidated OR k.conname = ANY ($3), k.conislocal,
                 k.coninhcount, k.connoinherit, CASE WHEN k.conname = ANY ($3) THEN replace(pg_get_constraintdef(k.oid), ' NOT VALID', '')
                      ELSE pg_get_constraintdef(k.oid) END, obj_description(k.oid, 'pg_constraint'))
  FROM wanted w
  JOIN pg_constraint k ON k.conrelid = w.oid
UNION ALL
SELECT w.schema::text, w.name::text, i.relname::text,
       concat_ws('|', 'index', pg_get_indexdef(i.oid), i.reltablespace, i.reloptions::text, x.indisvalid, x.indisclustered,
                 x.indisreplident, x.indimmediate, obj_description(i.oid, 'pg_class'),
                 (SELECT string_agg(concat_ws(' ', a.attnum, a.attstattarget, a.attoptions::text), ',' ORDER BY a.attnum)
                    FROM pg_attribute a WHERE a.attrelid = i.oid),
                 (SELECT string_agg(d.deptype::text || d.refobjid::text, ',' ORDER BY d.deptype, d.refobjid)
                    FROM pg_depend d
                   WHERE d.classid = 'pg_class'::regclass AND d.objid = i.oid
                     AND d.refclassid = 'pg_extension'::regclass))
  FROM wanted w
  JOIN pg_index x ON x.indrelid = w.oid
  JOIN pg_class i ON i.oid = x.indexrelid
UNION ALL
SELECT w.schema::text, w.name::text, t.tgname::text, concat_ws('|', 'trigger', t.tgenabled)
  FROM wanted w
  -- Some versions mark what a partition has from its parent as internal.
  JOIN pg_trigger t ON t.tgrelid = w.oid AND (NOT t.tgisinternal OR t.tgparentid <> 0)
UNION ALL
SELECT w.schema::text, w.name::text, ''::text,
       concat_ws('|', 'table', w.relreplident, w.reloptions::text,
                 (SELECT string_agg(a.attnum::text, ',' ORDER BY a.attnum)
                    FROM pg_attribute a WHERE a.attrelid = w.oid AND a.attnotnull AND a.attnum > 0))
  FROM wanted w
