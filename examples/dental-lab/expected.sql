-- What a complete load of the dental laboratory must come to, counted on the legacy database in plain SQL and
-- independently of any engine. One query; it returns
--
--   entity text, kind text, detail text, n bigint
--
-- kind      detail           n
-- read      ''               rows of the source that the entity reads (after `where`)
-- rows      ''               rows of this entity in the target
-- reject    the cause        rows rejected for it (only causes that occur); rows + all rejects = read
-- nulled    a target column  rows in the target whose reference was dropped because its row is not there (`missing = "null"`)
-- warning   the rule         rows in the target that a warning rule noted
--
-- Causes, and the codes they are recorded with: reference (DL0400 where the row referred to is not there, DL0412 where it
-- was rejected), unknown_value (DL0401), required_null (DL0402), would_lose (DL0403), expression_failed (DL0404), rule
-- (DL0405), duplicate (DL0406), refused (DL0407, by a CHECK constraint).
--
-- A row has one cause, the first of these: what its own values come to; then uniqueness, where the smallest legacy key
-- wins; then its references. The generator never gives a row two faults of its own. Facts of the target that are assumed
-- here: its CHECK and unique constraints, the length of doctors.license_no, the scale of inventory_items.quantity, and
-- that its tables were empty. What is no number is told by the form that all readable prices have, what is no JSON by how
-- it ends: PostgreSQL before 16 cannot ask whether a text is JSON.
WITH RECURSIVE
-- One line per row that an entity reads: its key, and the cause for which it is rejected, or null.
users AS MATERIALIZED (
  SELECT id, mail, office_id,
         CASE WHEN mail <> '' AND row_number() OVER (PARTITION BY lower(mail) ORDER BY id) > 1 THEN 'duplicate' END AS cause
  FROM public.dispatch_user),
office AS MATERIALIZED (SELECT id, head_user_id FROM public.dispatch_office),
identities AS (
  SELECT id, CASE WHEN cause IS NOT NULL THEN 'reference' END AS cause FROM users WHERE mail <> ''),
-- A profile is its user's: rejected with it.
profiles AS MATERIALIZED (
  SELECT id, office_id, CASE WHEN cause IS NOT NULL THEN 'reference' END AS cause FROM users),
profile AS MATERIALIZED (SELECT id FROM profiles WHERE cause IS NULL),
doctors AS MATERIALIZED (
  SELECT id, office_id, CASE WHEN length(license_no) > 20 THEN 'would_lose' WHEN extra !~ '\}$' THEN 'expression_failed' END AS cause
  FROM public.dispatch_doctor),
doctor AS MATERIALIZED (SELECT id FROM doctors WHERE cause IS NULL),
patients_ruled AS MATERIALIZED (
  SELECT *, CASE WHEN patient_number !~ '^P[0-9]{3,}$' THEN 'rule' END AS own_cause FROM public.dispatch_patient WHERE deleted_at IS NULL),
patients AS MATERIALIZED (
  SELECT id, office_id, doctor_id, mail,
         coalesce(own_cause, CASE WHEN row_number() OVER (PARTITION BY own_cause, patient_number ORDER BY id) > 1 THEN 'duplicate' END) AS cause
  FROM patients_ruled),
patient AS MATERIALIZED (SELECT id FROM patients WHERE cause IS NULL),
technician_roles AS MATERIALIZED (
  SELECT r.user_id, r.role, CASE WHEN r.user_id NOT IN (SELECT id FROM profile) THEN 'reference' END AS cause FROM public.dispatch_technician_role AS r),
products_valued AS MATERIALIZED (
  SELECT id, sku, CASE WHEN price <> '' AND price !~ '^-?[0-9]+(\.[0-9]+)?$' THEN 'expression_failed'
                       WHEN price LIKE '-%' THEN 'refused' END AS own_cause FROM public.dispatch_product),
products AS MATERIALIZED (
  SELECT id, coalesce(own_cause, CASE WHEN row_number() OVER (PARTITION BY own_cause, sku ORDER BY id) > 1 THEN 'duplicate' END) AS cause FROM products_valued),
product AS MATERIALIZED (SELECT id FROM products WHERE cause IS NULL),
orders AS MATERIALIZED (
  SELECT id, patient_id, doctor_id, product_id, created_by,
         CASE WHEN status_id NOT BETWEEN 1 AND 6 THEN 'unknown_value'
              WHEN price <> '' AND price !~ '^-?[0-9]+(\.[0-9]+)?$' THEN 'expression_failed'
              WHEN patient_id NOT IN (SELECT id FROM patient) OR office_id NOT IN (SELECT id FROM office) THEN 'reference' END AS cause
  FROM public.dispatch_instruction),
the_order AS MATERIALIZED (SELECT id FROM orders WHERE cause IS NULL),
-- A case stands on its order and on the case that it remakes: those that can stay, from the first to their remakes.
the_case (id) AS (
  SELECT id FROM public.dispatch_case WHERE parent_id IS NULL AND instruction_id IN (SELECT id FROM the_order)
  UNION
  SELECT remake.id FROM the_case JOIN public.dispatch_case AS remake ON remake.parent_id = the_case.id
  WHERE remake.instruction_id IN (SELECT id FROM the_order)),
cases AS MATERIALIZED (
  SELECT id, technician_id, CASE WHEN id NOT IN (SELECT id FROM the_case) THEN 'reference' END AS cause FROM public.dispatch_case),
tasks AS MATERIALIZED (
  SELECT id, depends_on, assignee_id, assignee_role, CASE WHEN case_id NOT IN (SELECT id FROM the_case) THEN 'reference' END AS cause FROM public.dispatch_task),
task AS MATERIALIZED (SELECT id FROM tasks WHERE cause IS NULL),
measurements AS (
  SELECT id, CASE WHEN case_id NOT IN (SELECT id FROM the_case) OR jaw_id NOT IN (SELECT id FROM public.dispatch_jaw) THEN 'reference' END AS cause
  FROM public.dispatch_measurement),
projects AS MATERIALIZED (
  SELECT id, doctor_id, office_id, CASE WHEN patient_id NOT IN (SELECT id FROM patient) THEN 'reference' END AS cause FROM public.dispatch_project WHERE archived = 0),
treatment_plans AS MATERIALIZED (
  SELECT id, project_id, CASE WHEN steps !~ '\]$' THEN 'expression_failed' WHEN patient_id NOT IN (SELECT id FROM patient) THEN 'reference' END AS cause
  FROM public.dispatch_treatment_plan),
files AS MATERIALIZED (SELECT id, instruction_id, uploader_id, NULL::text AS cause FROM public.dispatch_file),
inventory_items AS (
  SELECT id, CASE WHEN qty <> 'NaN' AND qty <> round(qty, 3) THEN 'would_lose' WHEN qty < 0 THEN 'refused'
                  WHEN product_id NOT IN (SELECT id FROM product) OR office_id NOT IN (SELECT id FROM office) THEN 'reference' END AS cause
  FROM public.dispatch_inventory),
offers AS (
  SELECT CASE WHEN price !~ '^-?[0-9]+(\.[0-9]+)?$' THEN 'expression_failed'
              WHEN product_id NOT IN (SELECT id FROM product) OR office_id NOT IN (SELECT id FROM office) THEN 'reference' END AS cause
  FROM public.dispatch_offer),
discounts_valued AS MATERIALIZED (
  SELECT *, CASE WHEN percent <= 0 OR percent > 100 THEN 'refused' END AS own_cause FROM public.dispatch_discount),
discounts AS MATERIALIZED (
  SELECT id, office_id, coalesce(own_cause, CASE WHEN active = 1 AND row_number() OVER (PARTITION BY own_cause, active, lower(code) ORDER BY id) > 1 THEN 'duplicate' END) AS cause
  FROM discounts_valued),
discount AS MATERIALIZED (SELECT id FROM discounts WHERE cause IS NULL),
payments AS MATERIALIZED (
  SELECT id, discount_id, CASE WHEN kind_id NOT BETWEEN 1 AND 3 THEN 'unknown_value' WHEN amount_cents = 0 THEN 'refused'
                               WHEN instruction_id NOT IN (SELECT id FROM the_order) THEN 'reference' END AS cause
  FROM public.dispatch_operation),
messages AS MATERIALIZED (
  SELECT id, instruction_id, recipient_id, file_id,
         CASE WHEN body IS NULL THEN 'required_null' WHEN sender_id NOT IN (SELECT id FROM profile) THEN 'reference' END AS cause
  FROM public.dispatch_message),
message AS MATERIALIZED (SELECT id FROM messages WHERE cause IS NULL),
-- Subjects are compared as numbers: the text may have leading zeros.
comments AS MATERIALIZED (
  SELECT id, author_id,
         CASE WHEN subject_type NOT IN ('Order', 'Case', 'Patient') THEN 'unknown_value'
              WHEN CASE subject_type WHEN 'Order' THEN subject_ref::integer NOT IN (SELECT id FROM the_order)
                                     WHEN 'Case' THEN subject_ref::integer NOT IN (SELECT id FROM the_case)
                                     ELSE subject_ref::integer NOT IN (SELECT id FROM patient) END THEN 'reference' END AS cause
  FROM public.dispatch_comment),
notifications AS MATERIALIZED (
  SELECT id, message_id, CASE WHEN user_id NOT IN (SELECT id FROM profile) THEN 'reference' END AS cause FROM public.dispatch_notification),
feedback AS MATERIALIZED (
  SELECT f.id, i.patient_id, CASE WHEN f.rating NOT BETWEEN 1 AND 5 THEN 'refused' WHEN f.instruction_id NOT IN (SELECT id FROM the_order) THEN 'reference' END AS cause
  FROM public.dispatch_feedback AS f LEFT JOIN public.dispatch_instruction AS i ON i.id = f.instruction_id),
settings AS (
  SELECT name, CASE WHEN value !~ '^([[{"0-9]|true|false|null)' THEN 'expression_failed' END AS cause FROM public.dispatch_setting),
verdicts (entity, cause, n) AS (
  SELECT 'offices', NULL, count(*) FROM office
  UNION ALL SELECT 'users', cause, count(*) FROM users GROUP BY cause
  UNION ALL SELECT 'identities', cause, count(*) FROM identities GROUP BY cause
  UNION ALL SELECT 'profiles', cause, count(*) FROM profiles GROUP BY cause
  UNION ALL SELECT 'doctors', cause, count(*) FROM doctors GROUP BY cause
  UNION ALL SELECT 'patients', cause, count(*) FROM patients GROUP BY cause
  UNION ALL SELECT 'technician_roles', cause, count(*) FROM technician_roles GROUP BY cause
  UNION ALL SELECT 'orders', cause, count(*) FROM orders GROUP BY cause
  UNION ALL SELECT 'cases', cause, count(*) FROM cases GROUP BY cause
  UNION ALL SELECT 'tasks', cause, count(*) FROM tasks GROUP BY cause
  UNION ALL SELECT 'jaws', NULL, count(*) FROM public.dispatch_jaw
  UNION ALL SELECT 'measurements', cause, count(*) FROM measurements GROUP BY cause
  UNION ALL SELECT 'projects', cause, count(*) FROM projects GROUP BY cause
  UNION ALL SELECT 'treatment_plans', cause, count(*) FROM treatment_plans GROUP BY cause
  UNION ALL SELECT 'files', cause, count(*) FROM files GROUP BY cause
  UNION ALL SELECT 'products', cause, count(*) FROM products GROUP BY cause
  UNION ALL SELECT 'inventory_items', cause, count(*) FROM inventory_items GROUP BY cause
  UNION ALL SELECT 'offers', cause, count(*) FROM offers GROUP BY cause
  UNION ALL SELECT 'discounts', cause, count(*) FROM discounts GROUP BY cause
  UNION ALL SELECT 'payments', cause, count(*) FROM payments GROUP BY cause
  UNION ALL SELECT 'messages', cause, count(*) FROM messages GROUP BY cause
  UNION ALL SELECT 'system_messages', NULL, count(*) FROM public.dispatch_system_message
  UNION ALL SELECT 'comments', cause, count(*) FROM comments GROUP BY cause
  UNION ALL SELECT 'notifications', cause, count(*) FROM notifications GROUP BY cause
  UNION ALL SELECT 'feedback', cause, count(*) FROM feedback GROUP BY cause
  UNION ALL SELECT 'settings', cause, count(*) FROM settings GROUP BY cause),
nulled (entity, target_column, n) AS (
  SELECT 'offices', 'head_profile_id', count(*) FROM office WHERE head_user_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'profiles', 'office_id', count(*) FROM profiles WHERE cause IS NULL AND office_id NOT IN (SELECT id FROM office)
  UNION ALL SELECT 'doctors', 'office_id', count(*) FROM doctors WHERE cause IS NULL AND office_id NOT IN (SELECT id FROM office)
  UNION ALL SELECT 'patients', 'office_id', count(*) FROM patients WHERE cause IS NULL AND office_id NOT IN (SELECT id FROM office)
  UNION ALL SELECT 'patients', 'doctor_id', count(*) FROM patients WHERE cause IS NULL AND doctor_id NOT IN (SELECT id FROM doctor)
  UNION ALL SELECT 'orders', 'doctor_id', count(*) FROM orders WHERE cause IS NULL AND doctor_id NOT IN (SELECT id FROM doctor)
  UNION ALL SELECT 'orders', 'product_id', count(*) FROM orders WHERE cause IS NULL AND product_id NOT IN (SELECT id FROM product)
  UNION ALL SELECT 'orders', 'created_by', count(*) FROM orders WHERE cause IS NULL AND created_by NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'cases', 'technician_id', count(*) FROM cases WHERE cause IS NULL AND technician_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'tasks', 'depends_on_id', count(*) FROM tasks WHERE cause IS NULL AND depends_on NOT IN (SELECT id FROM task)
  UNION ALL SELECT 'tasks', 'technician_role_id', count(*) FROM tasks WHERE cause IS NULL AND assignee_id IS NOT NULL AND assignee_role IS NOT NULL
            AND (assignee_id, assignee_role) NOT IN (SELECT user_id, role FROM technician_roles WHERE cause IS NULL)
  UNION ALL SELECT 'projects', 'doctor_id', count(*) FROM projects WHERE cause IS NULL AND doctor_id NOT IN (SELECT id FROM doctor)
  UNION ALL SELECT 'projects', 'office_id', count(*) FROM projects WHERE cause IS NULL AND office_id NOT IN (SELECT id FROM office)
  UNION ALL SELECT 'treatment_plans', 'project_id', count(*) FROM treatment_plans WHERE cause IS NULL AND project_id NOT IN (SELECT id FROM projects WHERE projects.cause IS NULL)
  UNION ALL SELECT 'files', 'order_id', count(*) FROM files WHERE instruction_id NOT IN (SELECT id FROM the_order)
  UNION ALL SELECT 'files', 'uploader_id', count(*) FROM files WHERE uploader_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'discounts', 'office_id', count(*) FROM discounts WHERE cause IS NULL AND office_id NOT IN (SELECT id FROM office)
  UNION ALL SELECT 'payments', 'discount_id', count(*) FROM payments WHERE cause IS NULL AND discount_id NOT IN (SELECT id FROM discount)
  UNION ALL SELECT 'messages', 'order_id', count(*) FROM messages WHERE cause IS NULL AND instruction_id NOT IN (SELECT id FROM the_order)
  UNION ALL SELECT 'messages', 'recipient_id', count(*) FROM messages WHERE cause IS NULL AND recipient_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'messages', 'attachment_id', count(*) FROM messages WHERE cause IS NULL AND file_id NOT IN (SELECT id FROM files)
  UNION ALL SELECT 'system_messages', 'recipient_id', count(*) FROM public.dispatch_system_message WHERE recipient_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'comments', 'author_id', count(*) FROM comments WHERE cause IS NULL AND author_id NOT IN (SELECT id FROM profile)
  UNION ALL SELECT 'notifications', 'message_id', count(*) FROM notifications WHERE cause IS NULL AND message_id NOT IN (SELECT id FROM message)
  UNION ALL SELECT 'feedback', 'patient_id', count(*) FROM feedback WHERE cause IS NULL AND patient_id NOT IN (SELECT id FROM patient)),
counted (entity, kind, detail, n) AS (
  SELECT entity, 'read', '', sum(n)::bigint FROM verdicts GROUP BY entity
  UNION ALL SELECT entity, 'rows', '', coalesce(sum(n) FILTER (WHERE cause IS NULL), 0)::bigint FROM verdicts GROUP BY entity
  UNION ALL SELECT entity, 'reject', cause, n FROM verdicts WHERE cause IS NOT NULL
  UNION ALL SELECT entity, 'nulled', target_column, n FROM nulled
  UNION ALL SELECT 'patients', 'warning', 'email_has_at', count(*) FROM patients WHERE cause IS NULL AND mail !~ '@')
SELECT entity::text, kind::text, detail::text, n
FROM counted
ORDER BY entity COLLATE "C", array_position(ARRAY['read', 'rows', 'reject', 'nulled', 'warning'], kind), detail COLLATE "C";
