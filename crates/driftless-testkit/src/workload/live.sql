-- Nothing is known of what the steps give, and nested loops would be guessed.
SET enable_nestloop = off;
WITH live AS (
  SELECT tab, key, body FROM public.history
   WHERE pg_visible_in_snapshot(born, '{snapshot}') AND (died IS NULL OR NOT pg_visible_in_snapshot(died, '{snapshot}'))),
agents AS (
  SELECT key, key::integer AS id, body, CASE WHEN key::integer <= 20 THEN 'true' END AS adopted FROM live WHERE tab = 'agent'),
named AS (
  SELECT key, key::integer AS id, body, body ->> 'badge' AS badge FROM live WHERE tab = 'customer'),
-- Of several customers with one badge, in whatever case, the one with the smallest key stays.
all_customers AS (
  SELECT *, CASE WHEN badge IS NOT NULL AND row_number() OVER (PARTITION BY lower(badge) ORDER BY id) > 1 THEN 'DL0406' END AS code
    FROM named),
customers AS (SELECT * FROM all_customers WHERE code IS NULL),
-- What refers to a rejected row has another code than what refers to nothing.
all_devices AS (
  SELECT l.key, l.key::integer AS id, l.body, c.id AS customer,
         CASE WHEN c.id IS NULL THEN 'DL0400' WHEN c.code IS NOT NULL THEN 'DL0412' END AS code
    FROM live AS l LEFT JOIN all_customers AS c ON c.id = (l.body ->> 'customer_id')::integer WHERE l.tab = 'device'),
devices AS (SELECT * FROM all_devices WHERE code IS NULL),
-- An expression fails before a reference is looked at.
all_orders AS (
  SELECT l.key, l.key::integer AS id, l.body, c.id AS customer,
         CASE WHEN l.body ->> 'amount' = 'n/a' THEN 'DL0404' WHEN c.id IS NULL THEN 'DL0400'
              WHEN c.code IS NOT NULL THEN 'DL0412' END AS code
    FROM live AS l LEFT JOIN all_customers AS c ON c.id = (l.body ->> 'customer_id')::integer WHERE l.tab = 'customer_order'),
orders AS (SELECT * FROM all_orders WHERE code IS NULL),
all_remarks AS (
  SELECT l.key, l.body, o.id AS order_id, CASE WHEN o.id IS NULL THEN 'DL0400' WHEN o.code IS NOT NULL THEN 'DL0412' END AS code
    FROM live AS l LEFT JOIN all_orders AS o ON o.id = (l.body ->> 'order_id')::integer WHERE l.tab = 'remark'),
remarks AS (SELECT * FROM all_remarks WHERE code IS NULL)
