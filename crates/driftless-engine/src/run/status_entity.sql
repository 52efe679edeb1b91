-- $1 pipeline, $2 entity, $3 its identity table.
SELECT (SELECT pg_catalog.count(*) FROM {state}.chunk WHERE pipeline = $1 AND entity = $2 AND done),
       (SELECT pg_catalog.count(*) FROM {state}.chunk WHERE pipeline = $1 AND entity = $2),
       (SELECT pg_catalog.count(*) FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND state = 'rejected'),
       (SELECT pg_catalog.count(*) FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND state = 'parked'),
       coalesce((SELECT greatest(reltuples, 0)::int8 FROM pg_catalog.pg_class
                  WHERE oid = pg_catalog.to_regclass($3)), 0)
