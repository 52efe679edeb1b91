-- $1 pipeline, $2 seconds after which a silent holder counts as dead. Other roles' backend_start may be hidden (null).
SELECT h.holder, h.epoch, pg_catalog.date_part('epoch', pg_catalog.clock_timestamp() - h.beat_at)::int8
  FROM {state}.lease_holder AS h
  JOIN pg_catalog.pg_stat_activity AS a
    ON a.pid = h.backend_pid AND coalesce(a.backend_start = h.backend_start, true)
 WHERE h.pipeline = $1
   AND NOT h.released
   AND h.backend_pid <> pg_catalog.pg_backend_pid()
   AND h.beat_at > pg_catalog.clock_timestamp() - pg_catalog.make_interval(secs => $2)
