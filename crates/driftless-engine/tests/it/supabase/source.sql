-- A legacy application: integer keys, e-mail addresses as people typed them.
CREATE TABLE public.account (
  id serial PRIMARY KEY, mail text, password_md5 text, full_name text, nick text, created timestamp NOT NULL);
INSERT INTO public.account (mail, password_md5, full_name, nick, created)
SELECT CASE WHEN i = 7 THEN 'Person6@Example.org' WHEN i % 50 = 0 THEN NULL ELSE initcap('person' || i) || '@example.org' END,
       md5(i::text), 'Person ' || i, 'nick' || i, timestamp '2019-03-01 08:00' + i * interval '5 hours'
FROM generate_series(1, 300) AS i;
CREATE TABLE public.team (id serial PRIMARY KEY, name text NOT NULL, owner integer);
INSERT INTO public.team (name, owner) SELECT 'Team ' || i, CASE i WHEN 4 THEN 9999 ELSE i * 5 + 1 END FROM generate_series(1, 40) AS i;
CREATE TABLE public.member (team integer, account integer, boss boolean, PRIMARY KEY (team, account));
INSERT INTO public.member SELECT t, 1 + (t * 13 + i * 29) % 300, i = 0 FROM generate_series(1, 40) AS t, generate_series(0, 9) AS i;
CREATE TABLE public.measure (id bigserial PRIMARY KEY, team integer NOT NULL, taken timestamp NOT NULL, v double precision NOT NULL, s real, note text);
INSERT INTO public.measure (team, taken, v, s, note)
SELECT 1 + i % 40, timestamp '2020-01-01' + i * interval '1 minute', pi() * i / 7, (1.0 / i)::real, CASE WHEN i % 3 = 0 THEN 'note ' || i END
FROM generate_series(1, 20000) AS i;
INSERT INTO public.measure (team, taken, v) VALUES (1, '2020-01-01 00:40', 0.1 + 0.2);
ANALYZE;
