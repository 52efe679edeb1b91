-- User triggers that act when rows are written to, or leave, the tables $1 (schemas) and $2 (names), as far as this role may disable them: triggers of
-- statements on the tables themselves; row triggers where the rows are, which is also in partitions and inheriting tables. Some
-- versions mark what a partition has from its parent as internal; what else is internal belongs to a constraint.
WITH RECURSIVE bearing (named, oid) AS (
    SELECT w.place, c.oid
      FROM ROWS FROM (pg_catalog.unnest($1::text[]), pg_catalog.unnest($2::text[])) WITH ORDINALITY AS w (schema, name, place)
      JOIN pg_catalog.pg_namespace n ON n.nspname = w.schema
      JOIN pg_catalog.pg_class c ON c.relnamespace = n.oid AND c.relname = w.name
     UNION
    SELECT b.named, i.inhrelid FROM bearing b JOIN pg_catalog.pg_inherits i ON i.inhparent = b.oid
)
SELECT ($1::text[])[b.named], ($2::text[])[b.named], n.nspname::text, c.relname::text, t.tgname::text, t.tgenabled::text
  FROM bearing b
  JOIN pg_catalog.pg_class c ON c.oid = b.oid AND pg_catalog.pg_has_role(c.relowner, 'USAGE')
  JOIN pg_catalog.pg_namespace n ON n.oid = c.relnamespace
  JOIN pg_catalog.pg_trigger t ON t.tgrelid = c.oid
 WHERE CASE WHEN (t.tgtype & 1) <> 0 THEN c.relkind <> 'p'
            ELSE (n.nspname, c.relname) = (($1::text[])[b.named], ($2::text[])[b.named]) END
   AND (NOT t.tgisinternal
        OR (t.tgparentid <> 0
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't')))
 ORDER BY n.nspname, c.relname, t.tgname
