-- What an earlier migration decided for half of the agents.
CREATE TABLE public.legacy_agent (legacy_id integer PRIMARY KEY, id uuid NOT NULL UNIQUE);
INSERT INTO public.legacy_agent SELECT i, md5('agent ' || i)::uuid FROM generate_series(1, 20) AS i;

CREATE TABLE public.agents (id uuid PRIMARY KEY, legacy_id integer NOT NULL, name text NOT NULL);
CREATE TABLE public.customers (
  id uuid PRIMARY KEY, legacy_id integer NOT NULL CONSTRAINT customers_legacy UNIQUE, name text NOT NULL, email text,
  badge text, referrer_id uuid REFERENCES public.customers, favourite_id uuid,
  agent_id uuid REFERENCES public.agents ON DELETE SET NULL, CONSTRAINT customers_email UNIQUE (email));
CREATE UNIQUE INDEX customers_badge ON public.customers (lower(badge)) WHERE badge IS NOT NULL;
CREATE TABLE public.devices (
  id uuid PRIMARY KEY, legacy_id integer NOT NULL UNIQUE, customer_id uuid NOT NULL REFERENCES public.customers ON DELETE CASCADE);
CREATE TABLE public.orders (
  id uuid PRIMARY KEY, legacy_id integer NOT NULL, customer_id uuid NOT NULL REFERENCES public.customers,
  device_id uuid REFERENCES public.devices, amount numeric(12,2) NOT NULL CONSTRAINT amount_is_none_below CHECK (amount >= 0));
CREATE INDEX orders_customer_idx ON public.orders (customer_id) INCLUDE (amount);
CREATE INDEX orders_large ON public.orders (amount DESC) WHERE amount > 1000;
ALTER TABLE public.customers ADD CONSTRAINT customers_favourite FOREIGN KEY (favourite_id)
  REFERENCES public.orders DEFERRABLE INITIALLY DEFERRED;
CREATE TABLE public.remarks (
  id uuid PRIMARY KEY, code text NOT NULL UNIQUE, order_id uuid NOT NULL REFERENCES public.orders, body text NOT NULL);
COMMENT ON INDEX public.orders_large IS 'what the accountants look at';
COMMENT ON CONSTRAINT customers_email ON public.customers IS 'one account per address';

-- Triggers of the application, which a load keeps silent.
CREATE TABLE public.journal (what text NOT NULL);
CREATE FUNCTION public.note() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
  INSERT INTO public.journal VALUES (TG_OP || ' ' || TG_TABLE_NAME);
  RETURN NULL;
END $$;
CREATE TRIGGER note AFTER INSERT OR UPDATE OR DELETE ON public.orders FOR EACH ROW EXECUTE FUNCTION public.note();
CREATE TRIGGER note_names AFTER UPDATE OF name ON public.customers FOR EACH ROW WHEN (old.name <> new.name)
  EXECUTE FUNCTION public.note();
ALTER TABLE public.customers DISABLE TRIGGER note_names;
CREATE CONSTRAINT TRIGGER note_late AFTER INSERT ON public.remarks DEFERRABLE INITIALLY DEFERRED FOR EACH ROW
  EXECUTE FUNCTION public.note();
