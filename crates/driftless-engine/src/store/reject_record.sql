-- $1 pipeline, $2 entity, $3 execution, $4 a JSON array of rejects. What a person has dismissed stays dismissed: whoever
-- tries such a row again has cleared its record before.
INSERT INTO {state}.rejects AS r
       (pipeline, entity, key, state, stage, code, sqlstate, category, message, column_name, constraint_name, rule,
        parent_entity, parent_key, source_row, execution)
SELECT $1, $2, n.key, n.state, n.stage, n.code, n.sqlstate, n.category, n.message, n.column_name, n.constraint_name,
       n.rule, n.parent_entity, n.parent_key, n.source_row, $3
  FROM pg_catalog.jsonb_to_recordset($4::jsonb) AS n
       (key text, state text, stage text, code text, sqlstate text, category text, message text, column_name text,
        constraint_name text, rule text, parent_entity text, parent_key text, source_row jsonb)
ON CONFLICT (pipeline, entity, key) DO UPDATE
   SET state = CASE r.state WHEN 'discarded' THEN r.state ELSE excluded.state END, stage = excluded.stage, code = excluded.code, sqlstate = excluded.sqlstate,
       category = excluded.category, message = excluded.message, column_name = excluded.column_name,
       constraint_name = excluded.constraint_name, rule = excluded.rule, parent_entity = excluded.parent_entity,
       parent_key = excluded.parent_key,
       source_row = coalesce(excluded.source_row, r.source_row), execution = excluded.execution,
       last_seen = pg_catalog.clock_timestamp()
