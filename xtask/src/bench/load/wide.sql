-- :rows documents of :bytes bytes each, as text that does not compress.
CREATE TABLE dispatch_office (id integer PRIMARY KEY, name text NOT NULL, city text NOT NULL);
ALTER TABLE dispatch_office ALTER COLUMN city SET STORAGE EXTERNAL;
INSERT INTO dispatch_office
SELECT n, 'Office ' || n, repeat(md5(n::text), :bytes / 32) FROM generate_series(1, :rows) AS n;
VACUUM ANALYZE;
