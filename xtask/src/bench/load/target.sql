-- The new application's side, every constraint in place: twelve columns of patients, two foreign keys, one secondary
-- unique constraint.
CREATE TYPE gender AS ENUM ('female', 'male', 'other');

CREATE TABLE offices (
    id uuid PRIMARY KEY,
    name text NOT NULL,
    city text NOT NULL
);

CREATE TABLE doctors (
    id uuid PRIMARY KEY,
    last_name text NOT NULL,
    office_id uuid NOT NULL REFERENCES offices
);

CREATE TABLE patients (
    id uuid PRIMARY KEY,
    patient_number text NOT NULL UNIQUE,
    first_name text NOT NULL,
    last_name text NOT NULL,
    email text,
    birthday date,
    gender gender NOT NULL,
    balance numeric(12,2) NOT NULL,
    office_id uuid NOT NULL REFERENCES offices,
    doctor_id uuid REFERENCES doctors,
    created_at timestamptz NOT NULL,
    metadata jsonb NOT NULL
);
