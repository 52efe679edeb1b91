WITH accounts AS (
  SELECT *, first_value(id) OVER (PARTITION BY coalesce(lower(email), id::text) ORDER BY id DESC) AS winner FROM public.account),
firms AS (
  SELECT *, first_value(id) OVER (PARTITION BY coalesce(vat, id::text) ORDER BY id) AS winner FROM public.firm),
cities AS (
  SELECT *, CASE WHEN code ~ '^c\d+$' AND substr(code, 2)::integer % 5 = 0 THEN md5('city ' || substr(code, 2))::uuid END AS there
    FROM public.city),
shops AS (
  SELECT *, CASE WHEN code ~ '^c\d+$' AND substr(code, 2)::integer % 5 = 0 THEN md5('shop ' || substr(code, 2))::uuid END AS there
    FROM public.shop)
