INSERT INTO {state}.lease_holder AS h (pipeline, epoch, holder, backend_pid, backend_start, beat_at)
SELECT $1, $2, $3, pid, backend_start, pg_catalog.clock_timestamp()
  FROM pg_catalog.pg_stat_activity
 WHERE pid = pg_catalog.pg_backend_pid()
ON CONFLICT (pipeline) DO UPDATE
   SET epoch = excluded.epoch, holder = excluded.holder, backend_pid = excluded.backend_pid,
       backend_start = excluded.backend_start, beat_at = excluded.beat_at, released = false
