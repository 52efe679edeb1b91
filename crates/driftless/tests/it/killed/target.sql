CREATE TABLE public.people (id uuid PRIMARY KEY, legacy_id integer UNIQUE, name text NOT NULL, boss uuid REFERENCES public.people);
CREATE TABLE public.profiles (id uuid PRIMARY KEY REFERENCES public.people ON DELETE CASCADE, name text NOT NULL);
CREATE TABLE public.accounts (id uuid PRIMARY KEY, legacy_id integer UNIQUE, email text, name text NOT NULL);
CREATE UNIQUE INDEX accounts_email ON public.accounts (lower(email));
CREATE TABLE public.firms (id uuid PRIMARY KEY, legacy_id integer UNIQUE, vat text UNIQUE, name text NOT NULL);
CREATE TABLE public.cities (id uuid PRIMARY KEY, legacy_id integer UNIQUE, code text UNIQUE, name text NOT NULL);
CREATE TABLE public.shops (id uuid PRIMARY KEY, legacy_id integer UNIQUE, code text UNIQUE, name text NOT NULL);
CREATE TABLE public.deals (
  id uuid PRIMARY KEY, legacy_id integer UNIQUE, person uuid REFERENCES public.people, account uuid REFERENCES public.accounts,
  firm uuid REFERENCES public.firms, city uuid NOT NULL REFERENCES public.cities, shop uuid REFERENCES public.shops);
-- Every fifth of them is there, and some of which the source knows nothing.
INSERT INTO public.cities SELECT md5('city ' || i)::uuid, NULL, 'c' || i, 'there ' || i FROM generate_series(5, 400, 5) AS i;
INSERT INTO public.shops SELECT md5('shop ' || i)::uuid, NULL, 'c' || i, 'there ' || i FROM generate_series(5, 400, 5) AS i;
