-- $1 pipeline, $2 entity.
SELECT (SELECT pg_catalog.count(*) FROM {state}.chunk WHERE pipeline = $1 AND entity = $2 AND done),
       (SELECT pg_catalog.count(*) FROM {state}.chunk WHERE pipeline = $1 AND entity = $2),
       (SELECT pg_catalog.count(*) FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND state = 'rejected'),
       (SELECT pg_catalog.count(*) FROM {state}.rejects WHERE pipeline = $1 AND entity = $2 AND state = 'parked')
