INSERT INTO {state}.execution_entity AS e
       (execution, entity, read, inserted, updated, unchanged, deleted, rejected, parked, bytes, duration_ms)
VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11)
ON CONFLICT (execution, entity) DO UPDATE
   SET read = e.read + excluded.read, inserted = e.inserted + excluded.inserted,
       updated = e.updated + excluded.updated, unchanged = e.unchanged + excluded.unchanged,
       deleted = e.deleted + excluded.deleted, rejected = e.rejected + excluded.rejected,
       parked = e.parked + excluded.parked, bytes = e.bytes + excluded.bytes,
       duration_ms = e.duration_ms + excluded.duration_ms
