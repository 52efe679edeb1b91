-- User triggers of the relations $1, those that a partition has from its parent included. Some versions mark the latter as
-- internal; what else is internal belongs to a constraint.
SELECT t.tgrelid,
       t.tgname::text,
       t.tgenabled::text,
       (t.tgtype & 4) <> 0,
       n.nspname::text,
       p.proname::text
  FROM pg_catalog.pg_trigger t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE t.tgrelid = ANY ($1::oid[])
   AND (NOT t.tgisinternal
        OR (t.tgparentid <> 0
            AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't')))
 ORDER BY t.tgrelid, t.tgname
