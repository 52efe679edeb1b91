-- The rows as the target wants them, made in the source before anything is measured: what the pipe only has to carry.
CREATE SCHEMA shaped;
CREATE TYPE shaped.gender AS ENUM ('female', 'male', 'other');

CREATE TABLE shaped.offices AS
SELECT md5('office' || id)::uuid AS id, name, city FROM dispatch_office ORDER BY dispatch_office.id;

CREATE TABLE shaped.doctors AS
SELECT md5('doctor' || id)::uuid AS id, last_name, md5('office' || office_id)::uuid AS office_id
  FROM dispatch_doctor ORDER BY dispatch_doctor.id;

CREATE TABLE shaped.patients AS
SELECT md5('patient' || id)::uuid AS id, patient_number, :first_name AS first_name, :last_name AS last_name,
       :email AS email, birthday,
       CASE gender WHEN 'f' THEN 'female' WHEN 'm' THEN 'male' ELSE 'other' END::shaped.gender AS gender,
       balance, md5('office' || office_id)::uuid AS office_id, md5('doctor' || doctor_id)::uuid AS doctor_id, created_at,
       jsonb_build_object('legacy_id', id, 'migrated_at', now(),
                          'legacy', jsonb_build_object('street', street, 'zip', zip, 'notes', notes)) AS metadata
  FROM dispatch_patient ORDER BY dispatch_patient.id;

VACUUM ANALYZE;
