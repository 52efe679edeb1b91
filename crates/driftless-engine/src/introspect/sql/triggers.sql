-- User triggers of the relations $1, those that a partition has from its parent included. Some versions mark the latter as
-- internal; what else is internal belongs to a constraint.
-- What their functions reach: a function's text is searched for names before a parenthesis, and functions of these names are
-- looked into as well. It is a search, not a proof: names that are put together at run time stay hidden.
WITH RECURSIVE wanted AS (
    SELECT t.*
      FROM pg_catalog.pg_trigger t
     WHERE t.tgrelid = ANY ($1::oid[])
       AND (NOT t.tgisinternal
            OR (t.tgparentid <> 0
                AND NOT EXISTS (SELECT FROM pg_catalog.pg_constraint k WHERE k.oid = t.tgconstraint AND k.contype <> 't')))
), reached (start, oid) AS (
    SELECT w.tgfoid, w.tgfoid FROM wanted w
     UNION
    SELECT r.start, q.oid
      FROM reached r
      JOIN pg_catalog.pg_proc p ON p.oid = r.oid
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang AND l.lanname IN ('plpgsql', 'sql')
     CROSS JOIN LATERAL (SELECT DISTINCT m.found[1] AS name
                           FROM pg_catalog.regexp_matches(p.prosrc, '([A-Za-z_][A-Za-z_0-9$]*)"?\s*\(', 'g') AS m (found)) c
      JOIN pg_catalog.pg_proc q ON q.proname = c.name OR q.proname = pg_catalog.lower(c.name)
      JOIN pg_catalog.pg_namespace n ON n.oid = q.pronamespace AND n.nspname NOT IN ('pg_catalog', 'information_schema')
), outside AS (
    SELECT r.start,
           n.nspname || '.' || p.proname || coalesce(' of the extension ' || e.extname, '')
             || CASE WHEN NOT l.lanpltrusted AND l.lanname NOT IN ('c', 'internal') THEN ' in ' || l.lanname ELSE '' END AS label
      FROM reached r
      JOIN pg_catalog.pg_proc p ON p.oid = r.oid
      JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
      JOIN pg_catalog.pg_language l ON l.oid = p.prolang
      LEFT JOIN pg_catalog.pg_depend d ON d.classid = 'pg_catalog.pg_proc'::pg_catalog.regclass AND d.objid = p.oid AND d.deptype = 'e'
      LEFT JOIN pg_catalog.pg_extension e ON e.oid = d.refobjid
     WHERE e.extname IN ('pg_net', 'http', 'pg_curl', 'pgsmtp', 'pg_smtp_client', 'pgmail', 'dblink', 'postgres_fdw', 'plsh', 'pgmq', 'pg_cron',
                         'aws_lambda', 'aws_s3', 'wrappers', 'pg_background', 'pgagent', 'oracle_fdw', 'mongo_fdw')
        OR n.nspname IN ('net', 'supabase_functions', 'http')
        OR p.proname ~* '(^|_)(http|https|smtp|mail|sendmail|webhook)(_|$)'
        OR (NOT l.lanpltrusted AND l.lanname NOT IN ('c', 'internal'))
)
SELECT t.tgrelid,
       t.tgname::text,
       t.tgenabled::text,
       (t.tgtype & 4) <> 0,
       (t.tgtype & 1) <> 0,
       n.nspname::text,
       p.proname::text,
       ARRAY(SELECT DISTINCT o.label::text FROM outside o WHERE o.start = t.tgfoid ORDER BY 1)
  FROM wanted t
  JOIN pg_catalog.pg_proc p ON p.oid = t.tgfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 ORDER BY t.tgrelid, t.tgname
