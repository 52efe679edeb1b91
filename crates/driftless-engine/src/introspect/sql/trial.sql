-- The columns that the expression on trial reads, and its tree.
SELECT coalesce(k.conkey, '{}'), k.conbin::text
  FROM pg_catalog.pg_constraint k
 WHERE k.conrelid = 'pg_temp.driftless_expression_inputs'::pg_catalog.regclass AND k.conname = 'trial'
