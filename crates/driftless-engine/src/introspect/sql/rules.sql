-- Rules of the relations $1 that rewrite INSERT, UPDATE or DELETE and are not disabled.
SELECT r.ev_class, r.rulename::text, r.ev_type::text, r.ev_enabled::text
  FROM pg_catalog.pg_rewrite r
 WHERE r.ev_class = ANY ($1::oid[]) AND r.ev_type IN ('2', '3', '4') AND r.ev_enabled <> 'D'
 ORDER BY r.ev_class, r.rulename
