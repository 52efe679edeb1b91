-- Event triggers that are not disabled, and whether what they call notifies anybody.
SELECT e.evtname::text,
       e.evtevent::text,
       e.evtenabled::text,
       n.nspname::text,
       p.proname::text,
       p.prosrc ~* '\m(pg_)?notify\M'
  FROM pg_catalog.pg_event_trigger e
  JOIN pg_catalog.pg_proc p ON p.oid = e.evtfoid
  JOIN pg_catalog.pg_namespace n ON n.oid = p.pronamespace
 WHERE e.evtenabled <> 'D'
 ORDER BY e.evtname
