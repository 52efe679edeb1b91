-- The legacy database of a dental laboratory: twenty-four dispatch_* tables, some 210,000 rows, and the dirt of
-- fifteen years. Run it in an empty database, as one batch or statement by statement, in one session:
--
--   SET lab.seed = '42';          -- optional: which lab to generate (any bigint; default 42)
--   SET lab.password = 'secret';  -- optional: password of the read-only role lab_reader (default lab)
--
-- Everything random is a hash of (seed, tag, id), so that the same seed gives the same rows on every server and
-- under every plan. Dirt is placed by id alone: which rows are dirty does not depend on the seed, which rows refer
-- to them does. README.md lists it; expected.sql counts what becomes of it.

-- The generator. The seed is written into the function, so that PostgreSQL can inline and fold it.
CREATE SCHEMA lab_gen;
DO $gen$
BEGIN
  EXECUTE format($sql$
    CREATE FUNCTION lab_gen.pick(tag text, id bigint, n bigint) RETURNS bigint LANGUAGE sql IMMUTABLE AS
    $f$ SELECT (hashint8extended(id, hashtextextended(tag COLLATE "C", %s)) & 9223372036854775807) %% n $f$
  $sql$, coalesce(nullif(current_setting('lab.seed', true), ''), '42')::bigint);
END
$gen$;
-- One of the options.
CREATE FUNCTION lab_gen.choose(tag text, id bigint, VARIADIC options text[]) RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT options[1 + lab_gen.pick(tag, id, cardinality(options))] $f$;
-- Row `id` of `total` in the order of time, 2016 to 2024, within working hours: none falls into a clock change.
CREATE FUNCTION lab_gen.moment(tag text, id bigint, total bigint) RETURNS timestamp LANGUAGE sql IMMUTABLE AS
$f$ SELECT timestamp '2016-01-04 07:00' + make_interval(days => (id * 3000 / total)::int)
         + lab_gen.pick(tag, id, 43200000000) * interval '1 microsecond' $f$;
CREATE FUNCTION lab_gen.first_name(tag text, id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT lab_gen.choose(tag, id, 'Anna', 'Émile', 'Zoë', 'Jürgen', 'Siobhán', 'Léa', 'Marek', 'Giulia', 'Noah', 'Inès',
                          'Ole', 'Chloé', 'Łukasz', 'Maud', 'Paul', 'Nguyễn', 'Élodie', 'Hugo', 'Sara', '愛') $f$;
CREATE FUNCTION lab_gen.last_name(tag text, id bigint) RETURNS text LANGUAGE sql IMMUTABLE AS
$f$ SELECT lab_gen.choose(tag, id, 'Martin', 'O''Brien', 'Müller', 'Dupont', 'Lefèvre', 'Kowalski', 'Rossi', 'García',
                          'van der Berg', 'Nowak', 'D''Angelo', 'Bernard', 'Petit', 'Åkesson', 'Moreau', 'Weiß', 'Sánchez', 'Roux') $f$;

CREATE TYPE public.dispatch_priority AS ENUM ('low', 'normal', 'high', 'asap');
CREATE TYPE public.dispatch_level AS ENUM ('info', 'warning', 'error');

-- Offices 1 to 41. Number 23 was deleted long ago; others still point to it.
CREATE TABLE public.dispatch_office (
  id integer PRIMARY KEY, code varchar(10) NOT NULL, name varchar(200) NOT NULL, street varchar(200), zip varchar(12),
  city varchar(100), country char(2), tel varchar(40), head_user_id integer, opened date, vat_rate numeric(5,2), active smallint);
INSERT INTO public.dispatch_office
SELECT i, 'OFF' || lpad(i::text, 3, '0'),
       CASE i WHEN 7 THEN 'Labo "Le Sourire" 😁' WHEN 8 THEN E'Dental\tTabs & Söhne' ELSE 'Labo ' || lab_gen.last_name('office.name', i) || ' ' || i END,
       1 + lab_gen.pick('office.street', i, 200) || ' rue de l''Émail', lpad(lab_gen.pick('office.zip', i, 95999)::text, 5, '0'),
       lab_gen.choose('office.city', i, 'Lyon', 'Paris', 'Köln', 'Liège', 'Genève', 'Saint-Étienne', 'Nantes'), 'FR',
       '+33 4 ' || lpad(lab_gen.pick('office.tel', i, 99999999)::text, 8, '0'),
       CASE WHEN i = 9 THEN 277 ELSE 1 + lab_gen.pick('office.head', i, 1200) END, date '1998-01-01' + lab_gen.pick('office.opened', i, 6000)::int,
       CASE i % 3 WHEN 0 THEN 20.00 WHEN 1 THEN 5.50 ELSE 19.00 END, CASE WHEN i % 9 = 0 THEN 0 ELSE 1 END
FROM generate_series(1, 41) AS i WHERE i <> 23;

-- 1,200 users. Head of an office and office of a user make a cycle. E-mails: six equal an older one but for case, six
-- are null and six empty.
CREATE TABLE public.dispatch_user (
  id integer PRIMARY KEY, login varchar(60) NOT NULL, mail varchar(255), passwd_md5 char(32), first_name varchar(100), last_name varchar(100),
  role_id integer, office_id integer, is_active char(1), tel varchar(40), prefs json, last_ip inet, last_login timestamp,
  created_at timestamp, updated_at timestamp);
INSERT INTO public.dispatch_user
SELECT i, 'user' || i,
       CASE i % 200 WHEN 77 THEN 'Person' || (i - 40) || '@LAB.example' WHEN 33 THEN NULL WHEN 34 THEN '' ELSE 'person' || i || '@lab.example' END,
       md5('user.password' || i), lab_gen.first_name('user.first', i), lab_gen.last_name('user.last', i),
       CASE WHEN i % 300 = 55 THEN 9 ELSE 1 + lab_gen.pick('user.role', i, 5) END,
       CASE WHEN i % 300 = 56 THEN 23 WHEN i % 20 = 0 THEN NULL ELSE o.id END,
       CASE WHEN lab_gen.pick('user.active', i, 10) = 0 THEN 'N' ELSE 'Y' END, '+33 6 ' || lpad(lab_gen.pick('user.tel', i, 99999999)::text, 8, '0'),
       CASE WHEN i % 4 > 0 THEN json_build_object('theme', lab_gen.choose('user.theme', i, 'dark', 'light'), 'signature', E'Bien à vous,\n"' || i || '" \\ Labo 🦷') END,
       ('10.' || lab_gen.pick('user.ip1', i, 200) || '.' || lab_gen.pick('user.ip2', i, 250) || '.7')::inet,
       CASE WHEN i % 500 = 3 THEN timestamp 'infinity' WHEN i % 7 > 0 THEN lab_gen.moment('user.login', i + 100, 1400) END,
       lab_gen.moment('user.created', i, 1200), lab_gen.moment('user.updated', i + 50, 1300)
FROM generate_series(1, 1200) AS i
CROSS JOIN LATERAL (SELECT CASE WHEN p = 23 THEN 1 ELSE p END AS id FROM (SELECT 1 + lab_gen.pick('user.office', i, 41) AS p) AS a) AS o;

-- 900 doctors. Four licence numbers are longer than the new column; three `extra` texts were cut off and are no JSON.
CREATE TABLE public.dispatch_doctor (
  id integer PRIMARY KEY, title varchar(20), first_name varchar(100), last_name varchar(100) NOT NULL, license_no varchar(40), mail varchar(255),
  tel varchar(40), office_id integer, extra text, specialities text[], commission numeric(6,4), active smallint, note text, created_at timestamp);
INSERT INTO public.dispatch_doctor
SELECT i, lab_gen.choose('doctor.title', i, 'Dr', 'Pr', 'Dr.', ''), lab_gen.first_name('doctor.first', i), lab_gen.last_name('doctor.last', i),
       CASE WHEN i % 250 = 11 THEN 'RPPS-' || lpad(i::text, 11, '0') || '/temporary' ELSE 'RPPS-' || lpad(i::text, 11, '0') END,
       'dr' || i || '@cabinet.example', '+33 1 ' || lpad(lab_gen.pick('doctor.tel', i, 99999999)::text, 8, '0'),
       CASE WHEN i % 300 = 57 THEN 23 WHEN o = 23 THEN 2 ELSE o END,
       CASE WHEN i % 300 = 21 THEN '{"profile": {"nick": "Doc' WHEN i % 5 = 0 THEN NULL WHEN i % 5 = 1 THEN '{"profile": {}}'
            ELSE json_build_object('profile', json_build_object('nick', 'Doc "' || i || '" 😷', 'years', i % 40))::text END,
       CASE WHEN i % 6 = 0 THEN '{}' ELSE ARRAY[lab_gen.choose('doctor.s1', i, 'ortho', 'implant, NULL', 'endo'), lab_gen.choose('doctor.s2', i, 'paedo', '"quoted"', NULL)] END,
       lab_gen.pick('doctor.commission', i, 3000) / 10000.0, (i % 8 > 0)::int,
       CASE WHEN i % 10 = 0 THEN E'calls "early"\r\nback\\slash' END, lab_gen.moment('doctor.created', i, 900)
FROM generate_series(1, 900) AS i CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('doctor.office', i, 41) AS o) AS a;

-- 40,000 patients; per thousand one number of a wrong form, one in two thousand a number twice, ten deleted.
CREATE TABLE public.dispatch_patient (
  id integer PRIMARY KEY, patient_number varchar(20) NOT NULL, first_name varchar(100), last_name varchar(100), gender char(1), birth_date date,
  mail varchar(255), tel varchar(40), mobile varchar(40), street varchar(200), zip varchar(12), city varchar(100), office_id integer,
  doctor_id integer, insured smallint, height_cm real, weight_kg double precision, tags text[], medical_notes text, extra jsonb,
  deleted_at timestamp, created_at timestamp, updated_at timestamp);
INSERT INTO public.dispatch_patient
SELECT i, CASE WHEN b = 5 THEN 'X' || i WHEN i % 2000 = 17 THEN 'P' || lpad((i - 9)::text, 6, '0') ELSE 'P' || lpad(i::text, 6, '0') END,
       lab_gen.first_name('patient.first', i), lab_gen.last_name('patient.last', i), lab_gen.choose('patient.gender', i, 'f', 'f', 'm', 'm', 'x', NULL),
       CASE b WHEN 7 THEN date 'infinity' WHEN 8 THEN date '-infinity' ELSE date '1930-01-01' + lab_gen.pick('patient.birth', i, 31000)::int END,
       CASE WHEN b = 6 THEN 'no e-mail' WHEN lab_gen.pick('patient.mail', i, 3) = 0 THEN NULL ELSE 'patient' || i || '@mail.example' END,
       CASE WHEN lab_gen.pick('patient.hastel', i, 4) > 0 THEN '0' || lpad(lab_gen.pick('patient.tel', i, 999999999)::text, 9, '0') END,
       CASE WHEN i % 3 = 0 THEN '+336' || lpad(lab_gen.pick('patient.mobile', i, 99999999)::text, 8, '0') END,
       1 + lab_gen.pick('patient.street', i, 300) || CASE WHEN b = 70 THEN E' bis\tesc. "C"\nfond de cour' ELSE ' av. de l''Opéra' END,
       lpad(lab_gen.pick('patient.zip', i, 95999)::text, 5, '0'), lab_gen.choose('patient.city', i, 'Lyon', 'Paris', 'Metz', 'L''Haÿ-les-Roses', 'Nîmes'),
       CASE WHEN b IN (90, 91) THEN 23 WHEN o = 23 THEN 3 ELSE o END,
       CASE WHEN b = 92 THEN 9000 + i WHEN i % 12 = 0 THEN NULL ELSE 1 + lab_gen.pick('patient.doctor', i, 900) END,
       (lab_gen.pick('patient.insured', i, 5) > 0)::int,
       CASE WHEN b = 71 THEN 'NaN' ELSE 140 + lab_gen.pick('patient.height', i, 600) / 10.0::real END,
       CASE b WHEN 72 THEN 'NaN' WHEN 73 THEN 'infinity' ELSE 40 + lab_gen.pick('patient.weight', i, 6000) / 70.0::float8 END,
       CASE i % 5 WHEN 0 THEN ARRAY['allergy', lab_gen.choose('patient.tag', i, 'latex', 'nickel', 'résine')] WHEN 1 THEN '{}' WHEN 2 THEN ARRAY['vip', NULL, '😀 "smile"'] END,
       CASE WHEN i % 9 = 0 THEN E'Bruxism; "night guard" refused\n\tsee file № ' || i || ' 🦷' END,
       CASE WHEN i % 4 = 0 THEN jsonb_build_object('source', lab_gen.choose('patient.source', i, 'web', 'phone'), 'score', lab_gen.pick('patient.score', i, 1000) / 8.0) END,
       CASE WHEN b BETWEEN 50 AND 59 THEN lab_gen.moment('patient.deleted', i, 40000) + interval '30 days' END,
       lab_gen.moment('patient.created', i, 40000), lab_gen.moment('patient.updated', i + 900, 41000)
FROM generate_series(1, 40000) AS i CROSS JOIN LATERAL (SELECT i % 1000 AS b, 1 + lab_gen.pick('patient.office', i, 41) AS o) AS a;

-- 400 products: prices are text, four of them unreadable, two negative; two article numbers stand twice.
CREATE TABLE public.dispatch_product (
  id integer PRIMARY KEY, sku varchar(30) NOT NULL, code varchar(30) NOT NULL, label varchar(200) NOT NULL, description text, price text, vat numeric(5,2),
  weight real, active char(1), categories varchar(30)[], search text, updated_at timestamp);
INSERT INTO public.dispatch_product
SELECT i, 'SKU-' || lpad((CASE WHEN i % 200 = 51 THEN i - 7 ELSE i END)::text, 5, '0'), lab_gen.choose('product.code', i, 'CROWN', 'BRIDGE', 'INLAY', 'GUARD') || '-' || i,
       lab_gen.choose('product.label', i, 'Couronne', 'Bridge', 'Inlay-core', 'Gouttière') || ' ' || lab_gen.choose('product.material', i, 'zircone', 'céramique', 'CoCr', 'résine') || ' n° ' || i,
       CASE WHEN i % 3 = 0 THEN E'Teinte "A2"\n– glaçage inclus ✨' END,
       CASE WHEN i % 200 = 50 THEN '-1.00' WHEN i % 200 = 52 THEN '12,50' WHEN i % 200 = 152 THEN 'n/a' WHEN i % 100 = 53 THEN ''
            ELSE (lab_gen.pick('product.price', i, 90000) / 100.0)::numeric(10,2)::text END,
       CASE WHEN i % 2 = 0 THEN 20.00 ELSE 5.50 END, lab_gen.pick('product.weight', i, 900) / 7.0::real, CASE WHEN i % 11 = 0 THEN 'N' ELSE 'Y' END,
       ARRAY[lab_gen.choose('product.c1', i, 'fixed', 'removable'), lab_gen.choose('product.c2', i, 'adult', 'child')], 'unused since 2012', lab_gen.moment('product.updated', i, 400)
FROM generate_series(1, 400) AS i;

-- 40,000 orders. Per thousand: one of a deleted patient, one of a patient nobody knows, two unknown states, two
-- unreadable prices, one of the missing office, one of a doctor nobody knows.
CREATE TABLE public.dispatch_instruction (
  id integer PRIMARY KEY, ref_no varchar(20) NOT NULL, patient_id integer NOT NULL, doctor_id integer, office_id integer NOT NULL, product_id integer, created_by integer,
  status_id integer, price text, quantity smallint, shade char(2), rush smallint, due date, teeth integer[], remarks text, options text,
  created_at timestamp, updated_at timestamp, closed_at timestamptz);
INSERT INTO public.dispatch_instruction
SELECT i, 'ORD-' || lpad(i::text, 7, '0'),
       CASE WHEN b = 3 THEN 1000 * lab_gen.pick('order.deleted', i, 40) + 50 + i % 10 WHEN b = 4 THEN 900000 + i WHEN p % 1000 BETWEEN 50 AND 59 THEN p + 100 ELSE p END,
       CASE WHEN b = 40 THEN 9000 + i WHEN i % 20 = 7 THEN NULL ELSE 1 + lab_gen.pick('order.doctor', i, 900) END,
       CASE WHEN b = 30 THEN 23 WHEN o = 23 THEN 4 ELSE o END,
       CASE WHEN i % 25 = 2 THEN NULL ELSE 1 + lab_gen.pick('order.product', i, 400) END, 1 + lab_gen.pick('order.creator', i, 1200),
       CASE b WHEN 9 THEN 99 WHEN 10 THEN 0 WHEN 11 THEN NULL ELSE 1 + lab_gen.pick('order.status', i, 6) END,
       CASE b WHEN 20 THEN '12,50' WHEN 21 THEN 'n/a' WHEN 22 THEN '' WHEN 23 THEN NULL ELSE (lab_gen.pick('order.price', i, 250000) / 100.0)::numeric(10,2)::text END,
       1 + lab_gen.pick('order.quantity', i, 4), lab_gen.choose('order.shade', i, 'A1', 'A2', 'B3', 'C4', NULL), (lab_gen.pick('order.rush', i, 12) = 0)::int,
       CASE WHEN b = 60 THEN date 'infinity' WHEN i % 15 = 0 THEN NULL ELSE lab_gen.moment('order.created', i, 40000)::date + 3 + lab_gen.pick('order.due', i, 20)::int END,
       CASE WHEN i % 3 = 0 THEN ARRAY[11 + lab_gen.pick('order.tooth', i, 8)::int, 21 + lab_gen.pick('order.tooth2', i, 8)::int] WHEN i % 3 = 1 THEN '{}' END,
       CASE WHEN i % 10 = 0 THEN E'"urgent" – l''antagoniste suit\tmerci 🙏\nDr \\ ' || i END,
       CASE WHEN i % 4 = 0 THEN json_build_object('occlusion', i % 3, 'finish', lab_gen.choose('order.finish', i, 'glazed', 'polished'))::text END,
       lab_gen.moment('order.created', i, 40000), lab_gen.moment('order.updated', i + 300, 40500),
       CASE WHEN i % 3 = 1 THEN lab_gen.moment('order.closed', i + 200, 40500) AT TIME ZONE 'UTC' END
FROM generate_series(1, 40000) AS i
CROSS JOIN LATERAL (SELECT i % 1000 AS b, 1 + lab_gen.pick('order.patient', i, 40000) AS p, 1 + lab_gen.pick('order.office', i, 41) AS o) AS a;

-- 20,000 cases, every tenth a remake of an older one (parent_id); 20 remakes of a case nobody knows.
CREATE TABLE public.dispatch_case (
  id integer PRIMARY KEY, instruction_id integer NOT NULL, parent_id integer, case_no varchar(20) NOT NULL, state varchar(20), technician_id integer,
  box char(4), remarks text, opened_at timestamp NOT NULL, finished_at timestamp);
INSERT INTO public.dispatch_case
SELECT i, 1 + lab_gen.pick('case.order', i, 40000),
       CASE WHEN i % 1000 = 12 THEN 900000 + i WHEN i % 10 = 4 AND i > 100 THEN i - 1 - lab_gen.pick('case.parent', i, 90) END,
       'C' || lpad(i::text, 6, '0'), CASE WHEN i % 1000 = 14 THEN 'OPN' ELSE lab_gen.choose('case.state', i, 'open', 'closed', 'on hold', 'closed') END,
       CASE WHEN i % 30 = 1 THEN NULL ELSE 1 + lab_gen.pick('case.technician', i, 1200) END, 'B' || lpad(lab_gen.pick('case.box', i, 999)::text, 3, '0'),
       CASE WHEN i % 15 = 0 THEN E'remake: "marge"\n→ voir \\photo\\' || i END, lab_gen.moment('case.opened', i, 20000),
       CASE WHEN i % 500 = 16 THEN 'infinity' WHEN i % 5 > 1 THEN lab_gen.moment('case.opened', i, 20000) + interval '1 day' * lab_gen.pick('case.days', i, 30) END
FROM generate_series(1, 20000) AS i;

-- 1,500 roles of technicians, keyed by user and role.
CREATE TABLE public.dispatch_technician_role (
  user_id integer, role varchar(20), level smallint, since date, PRIMARY KEY (user_id, role));
INSERT INTO public.dispatch_technician_role
SELECT 1 + (i - 1) % 500, (ARRAY['ceramist', 'wax/"CAD"', 'finisher 🪥'])[1 + (i - 1) / 500], 1 + lab_gen.pick('role.level', i, 5), date '2005-01-01' + lab_gen.pick('role.since', i, 6000)::int
FROM generate_series(1, 1500) AS i;

-- 30,000 tasks; 30 depend on a task nobody knows, 30 have a kind nobody knows, 30 a role that their user does not hold.
CREATE TABLE public.dispatch_task (
  id integer PRIMARY KEY, case_id integer NOT NULL, depends_on integer, title varchar(200) NOT NULL, kind_id integer, priority public.dispatch_priority,
  assignee_id integer, assignee_role varchar(20), status varchar(20), hours double precision, planned date, done smallint,
  started_at timestamp, updated_at timestamp);
INSERT INTO public.dispatch_task
SELECT i, 1 + lab_gen.pick('task.case', i, 20000), CASE WHEN i % 1000 = 13 THEN 900000 + i WHEN i % 5 = 0 AND i > 100 THEN i - 1 - lab_gen.pick('task.depends', i, 90) END,
       lab_gen.choose('task.title', i, 'Modèle', 'Cire "wax-up"', 'Cuisson', 'Contrôle', 'Expédition 📦') || ' ' || i,
       CASE WHEN i % 1000 = 15 THEN 77 ELSE 1 + lab_gen.pick('task.kind', i, 4) END, lab_gen.choose('task.priority', i, 'low', 'normal', 'normal', 'high', 'asap')::public.dispatch_priority,
       CASE WHEN i % 8 = 0 THEN NULL ELSE 1 + lab_gen.pick('task.assignee', i, 500) END,
       CASE WHEN i % 1000 = 14 THEN 'driver' WHEN i % 16 = 1 THEN NULL ELSE lab_gen.choose('task.role', i, 'ceramist', 'wax/"CAD"', 'finisher 🪥') END,
       lab_gen.choose('task.status', i, 'todo', 'doing', 'done', 'done'), CASE WHEN i % 1000 = 17 THEN 'NaN' ELSE lab_gen.pick('task.hours', i, 900) / 60.0::float8 END,
       lab_gen.moment('task.planned', i, 30000)::date, (lab_gen.pick('task.done', i, 2))::int,
       CASE WHEN i % 3 > 0 THEN lab_gen.moment('task.started', i, 30000) END, lab_gen.moment('task.updated', i + 30, 30100)
FROM generate_series(1, 30000) AS i;

-- 3,000 lots in stock (no primary key declared); three negative, three NaN, two with more digits than the new column has.
CREATE TABLE public.dispatch_inventory (
  id integer NOT NULL, product_id integer NOT NULL, office_id integer NOT NULL, qty numeric, reserved integer, location varchar(60), counted_at timestamp, expires date);
INSERT INTO public.dispatch_inventory
SELECT i, 1 + lab_gen.pick('inventory.product', i, 400), CASE WHEN o = 23 THEN 5 ELSE o END,
       CASE WHEN i % 1000 = 24 THEN -3 WHEN i % 1000 = 25 THEN 'NaN' WHEN i % 1500 = 26 THEN 1.23456 ELSE lab_gen.pick('inventory.qty', i, 100000) / 1000.0 END,
       lab_gen.pick('inventory.reserved', i, 5), 'shelf ' || i, lab_gen.moment('inventory.counted', i, 3000),
       CASE WHEN i % 100 = 27 THEN date 'infinity' WHEN i % 4 = 0 THEN date '2026-01-01' + lab_gen.pick('inventory.expires', i, 900)::int END
FROM generate_series(1, 3000) AS i CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('inventory.office', i, 41) AS o) AS a;

CREATE TABLE public.dispatch_jaw (id smallint PRIMARY KEY, code varchar(10) NOT NULL, label varchar(60));
INSERT INTO public.dispatch_jaw VALUES (1, 'upper', 'maxillaire'), (2, 'lower', 'mandibule'), (3, 'both', 'bi-maxillaire'), (5, 'none', NULL);

-- 5,000 projects, every tenth archived and left behind; five of a patient nobody knows.
CREATE TABLE public.dispatch_project (
  id integer PRIMARY KEY, name varchar(200) NOT NULL, patient_id integer NOT NULL, doctor_id integer, office_id integer, budget numeric(14,4), archived smallint NOT NULL, started date);
INSERT INTO public.dispatch_project
SELECT i, 'Projet ' || lab_gen.choose('project.name', i, 'sourire', 'implant', '"all-on-4"') || ' ' || i,
       CASE WHEN i % 1000 = 26 THEN 900000 + i WHEN p % 1000 BETWEEN 50 AND 59 THEN p + 100 ELSE p END, 1 + lab_gen.pick('project.doctor', i, 900),
       CASE WHEN i % 1000 = 28 THEN 23 WHEN o = 23 THEN 6 ELSE o END, lab_gen.pick('project.budget', i, 99999999) / 10000.0, (i % 10 = 9)::int,
       date '2016-01-01' + lab_gen.pick('project.started', i, 3000)::int
FROM generate_series(1, 5000) AS i CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('project.patient', i, 40000) AS p, 1 + lab_gen.pick('project.office', i, 41) AS o) AS a;

-- 8,000 treatment plans; the steps are JSON kept as text, eight of them cut off. Some belong to archived projects.
CREATE TABLE public.dispatch_treatment_plan (
  id integer PRIMARY KEY, patient_id integer NOT NULL, project_id integer, title varchar(200), steps text, est_cost text, approved char(1),
  started_at timestamptz, finished_at timestamptz);
INSERT INTO public.dispatch_treatment_plan
SELECT i, CASE WHEN p % 1000 BETWEEN 50 AND 59 THEN p + 100 ELSE p END, CASE WHEN i % 3 = 0 THEN 1 + lab_gen.pick('plan.project', i, 5000) END,
       'Plan ' || i, CASE WHEN i % 1000 = 27 THEN '[{"step": 1, "what": "emp' ELSE json_build_array(json_build_object('step', 1, 'what', 'empreinte'),
            json_build_object('step', 2, 'what', lab_gen.choose('plan.what', i, 'wax-up', 'essai "clinique"', 'pose 😬')))::text END,
       CASE WHEN i % 50 = 3 THEN '' WHEN i % 50 = 4 THEN NULL ELSE (lab_gen.pick('plan.cost', i, 900000) / 100.0)::numeric(10,2)::text END,
       lab_gen.choose('plan.approved', i, 'Y', 'N', NULL), lab_gen.moment('plan.started', i, 8000) AT TIME ZONE 'UTC',
       CASE WHEN i % 2 = 0 THEN lab_gen.moment('plan.finished', i + 100, 8200) AT TIME ZONE 'UTC' END
FROM generate_series(1, 8000) AS i CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('plan.patient', i, 40000) AS p) AS a;

-- 12,000 measurements; ten on a jaw that does not exist, twelve NaN, twelve infinite.
CREATE TABLE public.dispatch_measurement (
  id bigint PRIMARY KEY, case_id integer NOT NULL, jaw_id smallint, tooth smallint, kind varchar(30) NOT NULL, value double precision, unit varchar(10),
  points double precision[], taken_at timestamp);
INSERT INTO public.dispatch_measurement
SELECT i, 1 + lab_gen.pick('measurement.case', i, 20000), CASE WHEN i % 1200 = 15 THEN 9 WHEN i % 7 = 0 THEN NULL ELSE 1 + lab_gen.pick('measurement.jaw', i, 3) END,
       11 + lab_gen.pick('measurement.tooth', i, 8), lab_gen.choose('measurement.kind', i, 'width', 'depth', 'angle'),
       CASE i % 1000 WHEN 16 THEN 'NaN' WHEN 17 THEN '-infinity' ELSE lab_gen.pick('measurement.value', i, 100000) / 3000.0::float8 END, lab_gen.choose('measurement.unit', i, 'mm', 'mm', '°'),
       CASE WHEN i % 6 = 0 THEN ARRAY[0.1 + i / 3.0::float8, 'NaN', NULL] WHEN i % 6 = 1 THEN '{}' END, lab_gen.moment('measurement.taken', i, 12000)
FROM generate_series(1, 12000) AS i;

-- 6,000 files: they have UUIDs of their own already.
CREATE TABLE public.dispatch_file (
  id integer PRIMARY KEY, uuid uuid NOT NULL, instruction_id integer, uploader_id integer, name varchar(300) NOT NULL, mime varchar(100), size_bytes bigint,
  sha1 bytea, thumb bytea, exif json, uploaded_at timestamp);
INSERT INTO public.dispatch_file
SELECT i, md5('file.uuid' || lab_gen.pick('file.uuid', i, 1000000000) || '.' || i)::uuid, CASE WHEN i % 500 = 9 THEN 900000 + i ELSE 1 + lab_gen.pick('file.order', i, 40000) END,
       1 + lab_gen.pick('file.uploader', i, 1200), CASE WHEN i % 100 = 1 THEN 'scan "final" 🦷\' || i || '.stl' ELSE 'scan_' || i || '.stl' END,
       lab_gen.choose('file.mime', i, 'model/stl', 'image/png', 'application/pdf'), 1000 + lab_gen.pick('file.size', i, 5000000000),
       decode(md5('file.sha' || i) || substr(md5('file.sha2' || i), 1, 8), 'hex'), CASE WHEN i % 4 = 0 THEN decode('0089504e470d0a1a0a' || md5('file.thumb' || i), 'hex') WHEN i % 4 = 1 THEN '' END,
       CASE WHEN i % 5 = 0 THEN '{"w": 640,  "h": 480, "w": 800, "note": "caf\u00e9"}'::json END, lab_gen.moment('file.uploaded', i, 6000)
FROM generate_series(1, 6000) AS i;

-- 300 discounts; two above 100 %, three active ones whose code equals another's but for case.
CREATE TABLE public.dispatch_discount (
  id integer PRIMARY KEY, code varchar(30) NOT NULL, office_id integer, percent numeric(5,2) NOT NULL, active smallint NOT NULL, valid_from timestamp, valid_to timestamp);
INSERT INTO public.dispatch_discount
SELECT i, CASE WHEN i % 100 = 29 THEN 'promo' || (i - 5) ELSE 'PROMO' || i END, CASE WHEN i % 100 = 31 THEN 23 WHEN i % 3 = 0 THEN NULL WHEN o = 23 THEN 7 ELSE o END,
       CASE WHEN i % 150 = 28 THEN 150 ELSE 5 * (1 + lab_gen.pick('discount.percent', i, 10)) END,
       CASE WHEN i % 100 IN (24, 29) THEN 1 ELSE i % 2 END, lab_gen.moment('discount.from', i, 300), CASE WHEN i % 4 = 0 THEN 'infinity' ELSE lab_gen.moment('discount.to', i + 20, 330) END
FROM generate_series(1, 300) AS i CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('discount.office', i, 41) AS o) AS a;

-- 10,000 payments in cents; four of a kind nobody knows, four of nothing.
CREATE TABLE public.dispatch_operation (
  id bigint PRIMARY KEY, instruction_id integer NOT NULL, discount_id integer, kind_id smallint, amount_cents bigint NOT NULL, fee numeric(10,4), currency char(3),
  reference text, value_date date, booked_at timestamp);
INSERT INTO public.dispatch_operation
SELECT i, 1 + lab_gen.pick('operation.order', i, 40000), CASE WHEN i % 10 = 3 THEN 1 + lab_gen.pick('operation.discount', i, 300) WHEN i % 2500 = 21 THEN 9000 END,
       CASE WHEN i % 2500 = 19 THEN 8 ELSE 1 + lab_gen.pick('operation.kind', i, 3) END,
       CASE WHEN i % 2500 = 20 THEN 0 ELSE (CASE WHEN lab_gen.pick('operation.sign', i, 8) = 0 THEN -1 ELSE 1 END) * (1 + lab_gen.pick('operation.amount', i, 300000)) END,
       lab_gen.pick('operation.fee', i, 99999) / 10000.0, lab_gen.choose('operation.currency', i, 'EUR', 'EUR', 'CHF'),
       CASE WHEN i % 5 = 0 THEN E'virement "' || i || E'"\n\tréf. \\N' END, lab_gen.moment('operation.booked', i, 10000)::date + 1, lab_gen.moment('operation.booked', i, 10000)
FROM generate_series(1, 10000) AS i;

-- 1,500 offers of a product to an office: an n:m table without a primary key. Two prices are unreadable, and one in
-- three hundred is of the missing office.
CREATE TABLE public.dispatch_offer (office_id integer NOT NULL, product_id integer NOT NULL, price text, valid daterange, min_qty smallint);
INSERT INTO public.dispatch_offer
SELECT CASE WHEN i % 300 = 45 THEN 23 WHEN o = 23 THEN 41 ELSE o END, 1 + (i * 4 + i / 200) % 400,
       CASE WHEN i % 750 = 46 THEN '1 200,00' ELSE (lab_gen.pick('offer.price', i, 90000) / 100.0)::numeric(10,2)::text END,
       CASE i % 3 WHEN 0 THEN 'empty'::daterange WHEN 1 THEN daterange(date '2020-01-01' + i, NULL) ELSE daterange('2020-01-01', date '2020-01-02' + i) END, 1 + i % 5
FROM generate_series(1, 1500) AS i CROSS JOIN LATERAL (SELECT 1 + (i - 1) % 40 AS o) AS a;

-- 12,000 messages, sent at Unix seconds; twelve without a body.
CREATE TABLE public.dispatch_message (
  id bigint PRIMARY KEY, instruction_id integer, sender_id integer NOT NULL, recipient_id integer, file_id integer, subject varchar(300), body text, sent_epoch integer NOT NULL, read_flag char(1));
INSERT INTO public.dispatch_message
SELECT i, CASE WHEN i % 5 > 0 THEN 1 + lab_gen.pick('message.order', i, 40000) END, 1 + lab_gen.pick('message.sender', i, 1200), 1 + lab_gen.pick('message.recipient', i, 1200),
       CASE WHEN i % 2000 = 19 THEN 9000000 WHEN i % 6 = 0 THEN 1 + lab_gen.pick('message.file', i, 6000) END, 'Re: Cas n° ' || lab_gen.pick('message.subject', i, 20000),
       CASE WHEN i % 1000 = 18 THEN NULL WHEN i % 50 = 0 THEN E'👍🏽 "OK" \\o/\r\n\t– ' || i WHEN i % 50 = 1 THEN '' ELSE 'Bonjour, le cas ' || i || ' part aujourd''hui.' END,
       extract(epoch FROM lab_gen.moment('message.sent', i, 12000))::int, lab_gen.choose('message.read', i, 'Y', 'N', NULL)
FROM generate_series(1, 12000) AS i;

CREATE TABLE public.dispatch_system_message (
  id integer PRIMARY KEY, level public.dispatch_level NOT NULL, recipient_id integer, title varchar(200), body text, shown_from timestamp, shown_until timestamp);
INSERT INTO public.dispatch_system_message
SELECT i, lab_gen.choose('system.level', i, 'info', 'warning', 'error')::public.dispatch_level, CASE WHEN i % 4 = 0 THEN 1 + lab_gen.pick('system.recipient', i, 1200) END,
       'Info ' || i, E'Four n° 2:\tmaintenance\n"15 h" ⚠️ ' || i, CASE WHEN i % 100 = 1 THEN '-infinity' ELSE lab_gen.moment('system.from', i, 2000) END,
       CASE WHEN i % 3 = 0 THEN timestamp 'infinity' END
FROM generate_series(1, 2000) AS i;

-- 8,000 comments on orders, cases or patients, the subject's key as text, some with leading zeros; eight on
-- something else, eight on a subject nobody knows.
CREATE TABLE public.dispatch_comment (
  id integer PRIMARY KEY, subject_type varchar(20), subject_ref varchar(20), author_id integer, body text, edited smallint, created_at timestamp);
INSERT INTO public.dispatch_comment
SELECT i, CASE WHEN i % 1000 = 21 THEN 'Invoice' ELSE t END,
       CASE WHEN i % 1000 = 22 THEN (900000 + i)::text WHEN i % 400 = 23 THEN lpad(s::text, 8, '0') ELSE s::text END,
       CASE WHEN i % 9 = 0 THEN NULL ELSE 1 + lab_gen.pick('comment.author', i, 1200) END, 'Note ' || i || lab_gen.choose('comment.body', i, '', ' 🙂', ' "à refaire"', E'\nsuite'),
       (i % 13 = 0)::int, lab_gen.moment('comment.created', i, 8000)
FROM generate_series(1, 8000) AS i
CROSS JOIN LATERAL (SELECT lab_gen.choose('comment.type', i, 'Order', 'Case', 'Patient') AS t) AS a
CROSS JOIN LATERAL (SELECT 1 + lab_gen.pick('comment.subject', i, CASE t WHEN 'Case' THEN 20000 ELSE 40000 END) AS q) AS b
CROSS JOIN LATERAL (SELECT CASE WHEN t = 'Patient' AND q % 1000 BETWEEN 50 AND 59 THEN q + 100 ELSE q END AS s) AS c;

-- 5,000 notifications; the message they announce is a bigint there and an integer here.
CREATE TABLE public.dispatch_notification (
  id integer PRIMARY KEY, user_id integer NOT NULL, message_id integer, channel varchar(20), payload text, seen char(1), created_at timestamp);
INSERT INTO public.dispatch_notification
SELECT i, 1 + lab_gen.pick('notification.user', i, 1200), CASE WHEN i % 3 = 0 THEN 1 + lab_gen.pick('notification.message', i, 12000) END,
       lab_gen.choose('notification.channel', i, 'mail', 'sms', 'push'), json_build_object('text', 'Cas ' || i || ' prêt ✅', 'n', i % 9)::text,
       lab_gen.choose('notification.seen', i, 'Y', 'N'), lab_gen.moment('notification.created', i, 5000)
FROM generate_series(1, 5000) AS i;

-- 3,000 opinions; three give eleven stars of five.
CREATE TABLE public.dispatch_feedback (
  id integer PRIMARY KEY, instruction_id integer NOT NULL, rating smallint, text text, anonymous smallint, created_at timestamp);
INSERT INTO public.dispatch_feedback
SELECT i, 1 + lab_gen.pick('feedback.order', i, 40000), CASE WHEN i % 1000 = 23 THEN 11 WHEN i % 40 = 0 THEN NULL ELSE 1 + lab_gen.pick('feedback.rating', i, 5) END,
       CASE WHEN i % 2 = 0 THEN lab_gen.choose('feedback.text', i, 'Parfait 😍', 'Teinte "trop claire"', E'Ajustage:\n- occlusion', '') END, (i % 5 = 0)::int, lab_gen.moment('feedback.created', i, 3000)
FROM generate_series(1, 3000) AS i;

-- 40 settings by name; the value of one is no JSON.
CREATE TABLE public.dispatch_setting (name varchar(80) PRIMARY KEY, value text, description text);
INSERT INTO public.dispatch_setting
SELECT CASE i WHEN 1 THEN 'émail.teinte par défaut' WHEN 2 THEN 'quote"d' WHEN 3 THEN 'back\slash' ELSE 'lab.setting.' || lpad(i::text, 2, '0') END,
       CASE WHEN i = 12 THEN 'yes, please' WHEN i % 3 = 0 THEN json_build_object('on', i % 2 = 0, 'limit', i * 1.5)::text WHEN i % 3 = 1 THEN '"A2"' ELSE i::text END,
       CASE WHEN i % 2 = 0 THEN 'Réglage n° ' || i END
FROM generate_series(1, 40) AS i;

-- What few foreign keys and indexes there are.
ALTER TABLE public.dispatch_office ADD FOREIGN KEY (head_user_id) REFERENCES public.dispatch_user;
ALTER TABLE public.dispatch_case ADD FOREIGN KEY (instruction_id) REFERENCES public.dispatch_instruction;
ALTER TABLE public.dispatch_technician_role ADD FOREIGN KEY (user_id) REFERENCES public.dispatch_user;
ALTER TABLE public.dispatch_operation ADD FOREIGN KEY (instruction_id) REFERENCES public.dispatch_instruction;
CREATE INDEX ON public.dispatch_instruction (patient_id);
CREATE INDEX ON public.dispatch_task (case_id);

DROP FUNCTION lab_gen.last_name(text, bigint), lab_gen.first_name(text, bigint), lab_gen.moment(text, bigint, bigint),
              lab_gen.choose(text, bigint, text[]), lab_gen.pick(text, bigint, bigint);
DROP SCHEMA lab_gen;
ANALYZE;

-- Whom the migration reads as: a role that can only read. Roles belong to the whole server; the lock, taken last so that
-- it is short, lets several laboratories be set up on one server at once.
DO $roles$
BEGIN
  LOCK TABLE pg_catalog.pg_authid IN SHARE ROW EXCLUSIVE MODE;
  IF NOT EXISTS (SELECT FROM pg_catalog.pg_roles WHERE rolname = 'lab_reader') THEN
    CREATE ROLE lab_reader;
  END IF;
  EXECUTE format('ALTER ROLE lab_reader NOSUPERUSER LOGIN PASSWORD %L',
                 coalesce(nullif(current_setting('lab.password', true), ''), 'lab'));
END
$roles$;
GRANT USAGE ON SCHEMA public TO lab_reader;
GRANT SELECT ON ALL TABLES IN SCHEMA public TO lab_reader;
