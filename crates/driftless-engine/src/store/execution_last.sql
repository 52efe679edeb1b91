SELECT x.id, x.command, x.state,
       pg_catalog.to_char(x.started_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       pg_catalog.to_char(x.ended_at, 'YYYY-MM-DD"T"HH24:MI:SS"Z"'),
       x.code, x.message,
       e.entity, e.read, e.inserted, e.updated, e.unchanged, e.deleted, e.rejected, e.parked, e.bytes, e.duration_ms
  FROM (SELECT * FROM {state}.execution WHERE pipeline = $1 ORDER BY id DESC LIMIT $2) AS x
  LEFT JOIN {state}.execution_entity AS e ON e.execution = x.id
 ORDER BY x.id DESC, e.entity
