-- The legacy side: patients of doctors of offices. :rows patients.
SELECT setseed(0.4);

CREATE TABLE dispatch_office (
    id serial PRIMARY KEY,
    name text NOT NULL,
    city text NOT NULL
);

CREATE TABLE dispatch_doctor (
    id serial PRIMARY KEY,
    last_name text NOT NULL,
    office_id integer NOT NULL REFERENCES dispatch_office
);

CREATE TABLE dispatch_patient (
    id serial PRIMARY KEY,
    patient_number text NOT NULL,
    first_name text NOT NULL,
    last_name text NOT NULL,
    mail text,
    birthday date,
    gender text NOT NULL,
    balance numeric(12,2) NOT NULL,
    office_id integer NOT NULL REFERENCES dispatch_office,
    doctor_id integer REFERENCES dispatch_doctor,
    created_at timestamptz NOT NULL,
    street text,
    zip text,
    notes text
);

INSERT INTO dispatch_office (name, city)
SELECT 'Office ' || n, 'City ' || n % 17 FROM generate_series(1, 50) AS n;

INSERT INTO dispatch_doctor (last_name, office_id)
SELECT 'Doctor ' || n, 1 + n % 50 FROM generate_series(1, 1000) AS n;

INSERT INTO dispatch_patient (patient_number, first_name, last_name, mail, birthday, gender, balance, office_id,
                              doctor_id, created_at, street, zip, notes)
SELECT 'P' || lpad(n::text, 9, '0'),
       (ARRAY['Anna', 'Boris', 'Chloé', 'Dmitri', 'Eve', 'Farid', 'Gül', 'Hans'])[1 + (random() * 7)::int],
       'Name ' || (random() * 100000)::int,
       CASE WHEN n % 10 > 0 THEN 'Patient' || n || '@Example.org' END,
       date '1930-01-01' + (random() * 30000)::int,
       (ARRAY['f', 'm', 'x'])[1 + (random() * 2)::int],
       (random() * 10000)::numeric(12,2),
       1 + n % 50,
       CASE WHEN n % 20 > 0 THEN 1 + (random() * 999)::int END,
       timestamptz '2015-01-01 00:00+00' + random() * interval '10 years',
       (random() * 300)::int || ' High Street',
       lpad((random() * 99999)::int::text, 5, '0'),
       CASE WHEN n % 3 = 0 THEN repeat('note ', 1 + n % 12) END
  FROM generate_series(1, :rows) AS n;

VACUUM ANALYZE;
