-- A source in which every table is of a shape that tools stumble over.
CREATE EXTENSION citext; CREATE EXTENSION hstore; CREATE EXTENSION ltree; CREATE EXTENSION btree_gist;
CREATE SCHEMA "Odd Schema"; CREATE SCHEMA "a.b";
CREATE TYPE mood AS ENUM ('so so', 'it''s ok', '🙂');
CREATE DOMAIN positive AS int CHECK (VALUE > 0);
CREATE DOMAIN rank AS positive CHECK (VALUE < 1000000);
CREATE TYPE spot AS (x int, label text, felt mood);
CREATE TYPE span AS RANGE (subtype = numeric);

-- Values of every kind.
CREATE TABLE public.value (
    id int PRIMARY KEY, felt mood, moods mood[], rank rank, ranks rank[], spot spot, spots spot[], span span, spans int8multirange,
    during tstzrange, word citext, words citext[], pairs hstore, path ltree, paths ltree[], shifted int[], raw bytea, found tsvector,
    doc jsonb, net inet, bits varbit(9), amount numeric(30,10), money money, twice int GENERATED ALWAYS AS (id * 2) STORED);
INSERT INTO public.value
SELECT n, (ARRAY['so so', 'it''s ok', '🙂'])[1 + n % 3]::mood, ARRAY['🙂', NULL, 'so so']::mood[], n, ARRAY[n, NULL]::rank[],
       ROW(n, 'a "q", \ and (p)' || n, 'it''s ok')::spot, ARRAY[ROW(n, NULL, NULL)::spot, NULL], span(n, n + 0.5, '[]'),
       int8multirange(int8range(n, n + 2), int8range(n + 10, NULL)), tstzrange('2024-01-01Z', NULL), 'WÖRD' || n, ARRAY['A,b', NULL]::citext[],
       hstore(ARRAY['a', n::text, 'q"', NULL]), ('top.n' || n)::ltree, ARRAY['a.b', 'c']::ltree[], '[0:2]={7,NULL,9}'::int[], '\x00ff'::bytea,
       to_tsvector('simple', 'fat cats'), jsonb_build_object('n', n, 'u', U&'\2028'), '10.0.0.1/8'::inet, B'10110'::varbit(9), n / 7.0, n::money
  FROM generate_series(1, 40) AS n;
INSERT INTO public.value (id) VALUES (41);

-- Partitions of two levels, a key of two columns.
CREATE TABLE public.event (id bigint, at date, kind text NOT NULL, note text, PRIMARY KEY (id, at)) PARTITION BY RANGE (at);
CREATE TABLE public.event_2023 PARTITION OF public.event FOR VALUES FROM ('2023-01-01') TO ('2024-01-01');
CREATE TABLE public.event_2024 PARTITION OF public.event FOR VALUES FROM ('2024-01-01') TO ('2025-01-01') PARTITION BY HASH (id);
CREATE TABLE public.event_2024_a PARTITION OF public.event_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 0);
CREATE TABLE public.event_2024_b PARTITION OF public.event_2024 FOR VALUES WITH (MODULUS 2, REMAINDER 1);
CREATE TABLE public.event_rest PARTITION OF public.event DEFAULT;
INSERT INTO public.event SELECT n, '2022-12-01'::date + n * 3, (ARRAY['call', 'mail', 'visit', 'fax'])[1 + n % 4], 'note ' || n
  FROM generate_series(1, 300) AS n;

-- Inheritance: rows of the parent alone, and rows of a child.
CREATE TABLE public.animal (id int PRIMARY KEY, name text);
CREATE TABLE public.dog (breed text) INHERITS (public.animal);
INSERT INTO public.animal SELECT n, 'animal ' || n FROM generate_series(1, 30) AS n;
INSERT INTO public.dog SELECT n, 'dog ' || n, 'collie' FROM generate_series(31, 50) AS n;

-- Names: dots, quotes, dollar signs, blanks, key words, CamelCase, 63 bytes of UTF-8.
CREATE TABLE "Odd Schema"."we.ird ""na$1me" (
    "Id" int PRIMARY KEY, "Ärger ""q"" $x$.y" text, "select" text, " " text, "camelCase" int, "größe;größe;größe;größe;größe;größe;größe;größe" text);
INSERT INTO "Odd Schema"."we.ird ""na$1me" SELECT n, 'Ä' || n, 'select ' || n, ' ', n, $$it's \ $x$ $$ || n FROM generate_series(1, 20) AS n;
CREATE TABLE "a.b"."ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß!" (id int PRIMARY KEY, "owner.id" int);
INSERT INTO "a.b"."ßßßßßßßßßßßßßßßßßßßßßßßßßßßßßßß!" SELECT n, 1 + n % 20 FROM generate_series(1, 25) AS n;

-- Text keys, composite keys, a reference to a unique column that is not the key.
CREATE TABLE public.country (code varchar(2) PRIMARY KEY, title text, dial int UNIQUE NOT NULL);
INSERT INTO public.country VALUES ('FR', 'France', 33), ('DE', 'Deutschland', 49), ('"', 'quote', 1);
CREATE TABLE public.city (country varchar(2) REFERENCES public.country, "name, official" text, dial int REFERENCES public.country (dial),
    people int, PRIMARY KEY (country, "name, official"));
INSERT INTO public.city VALUES ('FR', 'Paris', 33, 1), ('FR', 'L''Haÿ-les-Roses, "94"', 33, 2), ('DE', 'Bad [Köln]', 49, 3), ('"', '\', 1, 4);
CREATE TABLE public.street (id int PRIMARY KEY, country varchar(2), city text, label text, FOREIGN KEY (country, city) REFERENCES public.city);
INSERT INTO public.street SELECT row_number() OVER (), country, "name, official", 'rue ' || people FROM public.city;

-- No primary key: a unique index says what a row is.
CREATE TABLE public.reading (sensor int NOT NULL, at timestamptz NOT NULL, value float8);
CREATE UNIQUE INDEX ON public.reading (sensor, at);
INSERT INTO public.reading SELECT n % 5, '2024-01-01Z'::timestamptz + n * interval '1 minute', CASE n % 10 WHEN 0 THEN 'NaN' ELSE n / 3.0 END
  FROM generate_series(1, 60) AS n;

CREATE TABLE public.booking (id int PRIMARY KEY, room int, during daterange, guest text, place int);
INSERT INTO public.booking SELECT n, n % 7, daterange('2024-01-01'::date + n, '2024-01-01'::date + n + 1), CASE n % 5 WHEN 0 THEN NULL ELSE 'guest ' || n END, 61 - n
  FROM generate_series(1, 60) AS n;
-- Overlaps booking 7 in room 0.
INSERT INTO public.booking VALUES (100, 0, '[2024-01-08,2024-01-09)', 'late', 100);

CREATE VIEW public.guest AS SELECT id, guest FROM public.booking WHERE guest IS NOT NULL;
CREATE MATERIALIZED VIEW public.room AS SELECT room AS id, count(*) AS bookings FROM public.booking GROUP BY room;
