-- One row a page: a few thousand of them are several chunks.
CREATE TABLE public.agent (id integer PRIMARY KEY, name text NOT NULL);
CREATE TABLE public.customer (
  id integer PRIMARY KEY, name text NOT NULL, mail text UNIQUE DEFERRABLE INITIALLY DEFERRED, badge text,
  referrer_id integer, favourite_id integer, agent_id integer, pad text
) WITH (fillfactor = 10);
CREATE TABLE public.device (id integer PRIMARY KEY, device_uuid uuid NOT NULL UNIQUE, customer_id integer);
CREATE TABLE public.customer_order (
  id integer PRIMARY KEY, customer_id integer, device_id integer, amount text, pad text
) WITH (fillfactor = 10);
CREATE TABLE public.remark (
  code text PRIMARY KEY, order_id integer, body text NOT NULL, pad text
) WITH (fillfactor = 10);

INSERT INTO public.agent SELECT i, 'Agent ' || i FROM generate_series(1, 40) AS i;
INSERT INTO public.customer
SELECT i, 'Customer ' || i, 'c' || i || '@example.org',
       CASE WHEN i % 3 = 0 THEN 'b' || i % ({rows} / 3) END,
       CASE WHEN i % 4 = 0 THEN (i * 7) % ({rows} + 100) END, CASE WHEN i % 5 = 0 THEN (i * 3) % (2 * {rows} + 100) END,
       i % 45, repeat('x', 900)
  FROM generate_series(1, {rows}) AS i;
INSERT INTO public.device
SELECT i, md5('device ' || i)::uuid, CASE i WHEN 7 THEN 99999 ELSE 1 + (i * 11) % {rows} END
  FROM generate_series(1, {rows} / 7) AS i;
INSERT INTO public.customer_order
SELECT i, CASE i WHEN 7 THEN 99999 ELSE 1 + i % {rows} END, CASE WHEN i % 6 = 0 THEN i % ({rows} / 6) END,
       CASE WHEN i % 500 = 9 THEN 'n/a' ELSE (i * 1.25)::text END, repeat('x', 900)
  FROM generate_series(1, 2 * {rows}) AS i;
INSERT INTO public.remark
SELECT 'r' || i, (i * 2) % (2 * {rows} + 10), 'Remark ' || i, repeat('x', 900) FROM generate_series(1, {rows}) AS i;

-- Every version that a row ever had, with the transactions that made and ended it.
CREATE TABLE public.history (tab text, key text, body jsonb, born xid8, died xid8);
CREATE INDEX ON public.history (tab, key);
CREATE FUNCTION public.remember() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
  IF TG_OP <> 'INSERT' THEN
    UPDATE public.history SET died = pg_current_xact_id()
     WHERE tab = TG_TABLE_NAME AND key = to_jsonb(OLD) ->> TG_ARGV[0] AND died IS NULL;
  END IF;
  IF TG_OP <> 'DELETE' THEN
    INSERT INTO public.history
    VALUES (TG_TABLE_NAME, to_jsonb(NEW) ->> TG_ARGV[0], to_jsonb(NEW) - 'pad', pg_current_xact_id(), NULL);
  END IF;
  RETURN NULL;
END $$;
INSERT INTO public.history SELECT 'agent', id, to_jsonb(t), pg_current_xact_id() FROM public.agent AS t;
INSERT INTO public.history SELECT 'customer', id, to_jsonb(t) - 'pad', pg_current_xact_id() FROM public.customer AS t;
INSERT INTO public.history SELECT 'device', id, to_jsonb(t), pg_current_xact_id() FROM public.device AS t;
INSERT INTO public.history SELECT 'customer_order', id, to_jsonb(t) - 'pad', pg_current_xact_id() FROM public.customer_order AS t;
INSERT INTO public.history SELECT 'remark', code, to_jsonb(t) - 'pad', pg_current_xact_id() FROM public.remark AS t;
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.agent FOR EACH ROW EXECUTE FUNCTION public.remember('id');
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.customer FOR EACH ROW EXECUTE FUNCTION public.remember('id');
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.device FOR EACH ROW EXECUTE FUNCTION public.remember('id');
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.customer_order FOR EACH ROW EXECUTE FUNCTION public.remember('id');
CREATE TRIGGER remember AFTER INSERT OR UPDATE OR DELETE ON public.remark FOR EACH ROW EXECUTE FUNCTION public.remember('code');
ANALYZE;
