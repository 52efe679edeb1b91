CREATE TABLE public.person (id integer PRIMARY KEY, name text NOT NULL, boss integer);
INSERT INTO public.person SELECT i, 'Person ' || i, i * 7 % 300 FROM generate_series(1, 300) AS i;
-- Four of a hundred accounts and firms each are one: in the one the youngest stands for them, in the other the oldest.
CREATE TABLE public.account (id integer PRIMARY KEY, email text, name text NOT NULL);
INSERT INTO public.account
SELECT i, to_char(i % 100, 'FM"a"00') || CASE WHEN i % 2 = 0 THEN '@x.org' ELSE '@X.ORG' END, 'Account ' || i
  FROM generate_series(1, 400) AS i;
CREATE TABLE public.firm (id integer PRIMARY KEY, vat text, name text NOT NULL);
INSERT INTO public.firm SELECT i, to_char(i % 100, 'FM"f"00'), 'Firm ' || i FROM generate_series(1, 400) AS i;
CREATE TABLE public.city (id integer PRIMARY KEY, code text UNIQUE DEFERRABLE, name text NOT NULL);
INSERT INTO public.city SELECT i, 'c' || i, 'City ' || i FROM generate_series(1, 300) AS i;
CREATE TABLE public.shop (id integer PRIMARY KEY, code text UNIQUE DEFERRABLE, name text NOT NULL);
INSERT INTO public.shop SELECT i, 'c' || i, 'Shop ' || i FROM generate_series(1, 300) AS i;
CREATE TABLE public.deal (id integer PRIMARY KEY, person integer, account integer, firm integer, city integer, shop integer);
INSERT INTO public.deal
SELECT i, 1 + i % 300, 1 + i * 3 % 400, 1 + i * 7 % 400, 1 + i * 11 % 300, 1 + i * 13 % 300 FROM generate_series(1, 900) AS i;
ANALYZE;
