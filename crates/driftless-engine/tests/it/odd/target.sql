-- The target: as odd, and odd otherwise.
CREATE SCHEMA extensions;
CREATE EXTENSION citext SCHEMA extensions; CREATE EXTENSION hstore SCHEMA extensions; CREATE EXTENSION ltree SCHEMA extensions;
CREATE EXTENSION btree_gist SCHEMA extensions;
CREATE SCHEMA "New Schema";
CREATE TABLE public.fired (what text);
CREATE FUNCTION public.fire() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN INSERT INTO public.fired VALUES (TG_TABLE_NAME); RETURN NEW; END $$;

-- In another order, so that nothing has the number that it has in the source.
CREATE TYPE mood AS ENUM ('🙂', 'so so', 'new', 'it''s ok');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN rank AS positive CHECK (VALUE < 1000000);
CREATE TYPE span AS RANGE (subtype = numeric);
CREATE TYPE spot AS (x int, label text, felt mood);

CREATE TABLE public.values (
    id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, felt mood, moods mood[], rank rank, ranks rank[], spot spot, spots spot[], span span,
    spans int8multirange, during tstzrange, word extensions.citext UNIQUE, words extensions.citext[], pairs extensions.hstore, path extensions.ltree,
    paths extensions.ltree[], shifted int[], raw bytea, found tsvector, doc jsonb, net inet, bits varbit(9), amount numeric(30,10), money money,
    twice int GENERATED ALWAYS AS (id * 2) STORED, upper text GENERATED ALWAYS AS (upper(amount::text)) STORED);
CREATE INDEX ON public.values USING gist (path);
CREATE RULE also AS ON INSERT TO public.values DO ALSO INSERT INTO public.fired VALUES ('rule');
CREATE TRIGGER fire BEFORE INSERT ON public.values FOR EACH ROW EXECUTE FUNCTION public.fire();

CREATE TABLE public.events (id uuid, kind text, legacy_id bigint, at date, note text, PRIMARY KEY (id, kind, at)) PARTITION BY LIST (kind);
CREATE TABLE public.events_call PARTITION OF public.events FOR VALUES IN ('call');
CREATE TABLE public.events_mail PARTITION OF public.events FOR VALUES IN ('mail') PARTITION BY RANGE (at);
CREATE TABLE public.events_mail_old (note text, at date NOT NULL, kind text NOT NULL, gone int, id uuid NOT NULL, legacy_id bigint);
ALTER TABLE public.events_mail_old DROP COLUMN gone;
ALTER TABLE public.events_mail ATTACH PARTITION public.events_mail_old FOR VALUES FROM (MINVALUE) TO ('2024-01-01');
CREATE TABLE public.events_mail_new PARTITION OF public.events_mail FOR VALUES FROM ('2024-01-01') TO (MAXVALUE);
CREATE TABLE public.events_visit PARTITION OF public.events FOR VALUES IN ('visit');
CREATE TRIGGER fire AFTER INSERT ON public.events FOR EACH ROW EXECUTE FUNCTION public.fire();

CREATE TABLE public.animals (id uuid PRIMARY KEY, legacy_id int UNIQUE, name text);
CREATE TABLE public.animals_of_others (chip text) INHERITS (public.animals);
INSERT INTO public.animals_of_others VALUES ('00000000-0000-0000-0000-00000000000a', 1, 'not ours', 'x');

CREATE TABLE "New Schema"."Tab""le.$$1" (
    "Id" uuid PRIMARY KEY, "legacy.Id" int CONSTRAINT "ünique ünique ünique ünique ünique ünique ünique !!!!!!!" UNIQUE, "Ärger ""q"" $x$.y" text,
    "select" text, " " text, "camelCase" int, "größe;größe;größe;größe;größe;größe;größe;größe" text);
CREATE INDEX "ïndex.of ""all"" $1" ON "New Schema"."Tab""le.$$1" ("größe;größe;größe;größe;größe;größe;größe;größe", lower("select")) WHERE " " = ' ';
CREATE TABLE "New Schema"."ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß!" (
    "ääääääääääääääääääääääääääääääÄ!" uuid PRIMARY KEY,
    "owner.id" uuid CONSTRAINT "foreign.key ""$" REFERENCES "New Schema"."Tab""le.$$1" DEFERRABLE INITIALLY DEFERRED);

CREATE TABLE public.countries (code varchar(2) PRIMARY KEY, title text, dial int NOT NULL UNIQUE);
CREATE TABLE public.cities (country varchar(2) REFERENCES public.countries, name text, dial int REFERENCES public.countries (dial), people int,
    PRIMARY KEY (name, country));
CREATE TABLE public.streets (id uuid PRIMARY KEY, country varchar(2), city text, label text, FOREIGN KEY (city, country) REFERENCES public.cities (name, country) MATCH FULL);
CREATE TABLE public.readings (id uuid PRIMARY KEY, sensor int NOT NULL, at timestamptz NOT NULL, value float8, UNIQUE NULLS NOT DISTINCT (sensor, at));

CREATE TABLE public.bookings (id int PRIMARY KEY DEFERRABLE, room int, during daterange, guest text, place int UNIQUE DEFERRABLE INITIALLY DEFERRED,
    EXCLUDE USING gist (room WITH =, during WITH &&));
CREATE UNIQUE INDEX bookings_guest ON public.bookings (guest) NULLS NOT DISTINCT;
CREATE TABLE public.guests (id int PRIMARY KEY, guest text);
CREATE TABLE public.rooms (id int PRIMARY KEY, bookings int);
