-- Pairs of queries: what a target table holds, and the same rows made out of the legacy tables. `id` comes first; rows
-- that are not in the target are left out by whoever compares (their number is known from expected.sql).
-- expected.id holds the UUID of every key, expected.live those whose row is in the target.

SELECT id, address, code, name, phone, country, head_profile_id, opened_on, vat_rate::text, is_active, metadata - 'migrated_at' FROM public.offices;
SELECT e.id, jsonb_build_object('street', l.street, 'zip', l.zip, 'city', l.city), l.code::text, l.name::text, l.tel::text, 'FR', h.id, l.opened,
       l.vat_rate::text, l.active = 1, jsonb_build_object('legacy_id', l.id, 'legacy', jsonb_build_object('country', l.country))
FROM public.dispatch_office AS l JOIN expected.id AS e ON (e.entity, e.key) = ('offices', l.id::text)
LEFT JOIN expected.live AS h ON (h.entity, h.key) = ('users', l.head_user_id::text);

SELECT id, instance_id::text, aud, role, email, email_confirmed_at, confirmation_token, recovery_token, email_change, last_sign_in_at,
       raw_app_meta_data, raw_user_meta_data, confirmed_at, created_at, updated_at, encrypted_password, is_sso_user FROM auth.users;
SELECT e.id, '00000000-0000-0000-0000-000000000000', 'authenticated', 'authenticated', nullif(lower(l.mail), ''),
       CASE WHEN l.is_active = 'Y' THEN l.created_at AT TIME ZONE 'Europe/Paris' END, '', '', '', l.last_login AT TIME ZONE 'Europe/Paris',
       '{"provider": "email", "providers": ["email"]}'::jsonb,
       jsonb_build_object('full_name', coalesce(l.first_name || ' ', '') || coalesce(l.last_name, ''), 'legacy_id', l.id),
       CASE WHEN l.is_active = 'Y' THEN l.created_at AT TIME ZONE 'Europe/Paris' END,
       l.created_at AT TIME ZONE 'Europe/Paris', l.updated_at AT TIME ZONE 'Europe/Paris', NULL, false
FROM public.dispatch_user AS l JOIN expected.id AS e ON (e.entity, e.key) = ('users', l.id::text);

SELECT id, user_id, provider, provider_id, identity_data, email FROM auth.identities;
SELECT e.id, e.id, 'email', e.id::text, jsonb_build_object('sub', e.id, 'email', lower(l.mail), 'email_verified', true, 'source_table', 'dispatch_user'),
       lower(l.mail)
FROM public.dispatch_user AS l JOIN expected.id AS e ON (e.entity, e.key) = ('users', l.id::text);

SELECT id, email, full_name, login, role::text, office_id, is_active, phone, preferences, last_ip, last_login_at, metadata - 'migrated_at',
       created_at, updated_at FROM public.profiles;
SELECT e.id, nullif(lower(l.mail), ''), coalesce(l.first_name || ' ', '') || coalesce(l.last_name, ''), l.login::text,
       CASE l.role_id WHEN 1 THEN 'owner' WHEN 2 THEN 'manager' WHEN 3 THEN 'dentist' WHEN 4 THEN 'technician' ELSE 'staff' END,
       o.id, l.is_active = 'Y', l.tel::text, coalesce(l.prefs::text, '{}')::jsonb, l.last_ip, l.last_login AT TIME ZONE 'Europe/Paris',
       jsonb_build_object('legacy_id', l.id), l.created_at AT TIME ZONE 'Europe/Paris', l.updated_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_user AS l JOIN expected.id AS e ON (e.entity, e.key) = ('users', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text);

SELECT id, title, first_name, last_name, nickname, license_no, email, phone, office_id, specialities, commission::text, is_active, note,
       metadata - 'migrated_at', created_at FROM public.doctors;
SELECT e.id, l.title::text, l.first_name::text, l.last_name::text, CASE WHEN l.extra ~ '}$' THEN l.extra::jsonb #>> '{profile,nick}' END,
       l.license_no::text, l.mail::text, l.tel::text, o.id, l.specialities, l.commission::text, l.active = 1, l.note,
       jsonb_build_object('legacy_id', l.id, 'legacy', '{}'::jsonb), l.created_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_doctor AS l JOIN expected.id AS e ON (e.entity, e.key) = ('doctors', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text);

SELECT id, patient_number, first_name, last_name, full_name, gender::text, birth_date, email, phone, contact, office_id, doctor_id, is_insured,
       weight_kg, tags, medical_notes, legacy_patient_id, metadata - 'migrated_at', created_at, updated_at FROM public.patients;
SELECT e.id, l.patient_number::text, l.first_name::text, l.last_name::text, coalesce(l.first_name || ' ', '') || coalesce(l.last_name, ''),
       CASE l.gender WHEN 'f' THEN 'female' WHEN 'm' THEN 'male' WHEN 'x' THEN 'other' END, l.birth_date, l.mail::text,
       coalesce(l.tel, 'unknown')::text, jsonb_build_object('mobile', l.mobile, 'address', jsonb_build_object('street', l.street, 'zip', l.zip, 'city', l.city)),
       o.id, d.id, l.insured = 1, l.weight_kg, coalesce(l.tags, '{}'), l.medical_notes, l.id,
       jsonb_build_object('legacy_id', l.id, 'legacy', to_jsonb(l) - ARRAY['id', 'patient_number', 'first_name', 'last_name', 'gender', 'birth_date',
           'mail', 'tel', 'mobile', 'street', 'zip', 'city', 'office_id', 'doctor_id', 'insured', 'weight_kg', 'tags', 'medical_notes', 'created_at', 'updated_at']),
       l.created_at AT TIME ZONE 'Europe/Paris', l.updated_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_patient AS l JOIN expected.id AS e ON (e.entity, e.key) = ('patients', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text)
LEFT JOIN expected.live AS d ON (d.entity, d.key) = ('doctors', l.doctor_id::text);

SELECT id, order_number, tracking_code, patient_id, doctor_id, office_id, product_id, created_by, status::text, price::text, quantity, shade,
       is_rush, due_date, teeth, remarks, options, closed_at, metadata - 'migrated_at', created_at, updated_at FROM public.orders;
SELECT e.id, l.ref_no::text, upper(left(e.id::text, 8)) || '-' || l.ref_no, p.id, d.id, o.id, a.id, c.id,
       CASE l.status_id WHEN 1 THEN 'received' WHEN 2 THEN 'in_production' WHEN 3 THEN 'shipped' WHEN 4 THEN 'delivered' WHEN 5 THEN 'cancelled'
           WHEN 6 THEN 'on_hold' ELSE 'draft' END,
       CASE WHEN l.price ~ '^[0-9.]+$' THEN l.price::numeric(12,2)::text ELSE '0.00' END, l.quantity::int, l.shade::text, l.rush = 1, l.due,
       coalesce(l.teeth, '{}'), l.remarks, l.options::jsonb, l.closed_at, jsonb_build_object('legacy_id', l.id, 'legacy', '{}'::jsonb),
       l.created_at AT TIME ZONE 'Europe/Paris', l.updated_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_instruction AS l JOIN expected.id AS e ON (e.entity, e.key) = ('orders', l.id::text)
LEFT JOIN expected.live AS p ON (p.entity, p.key) = ('patients', l.patient_id::text)
LEFT JOIN expected.live AS d ON (d.entity, d.key) = ('doctors', l.doctor_id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text)
LEFT JOIN expected.live AS a ON (a.entity, a.key) = ('products', l.product_id::text)
LEFT JOIN expected.live AS c ON (c.entity, c.key) = ('users', l.created_by::text);

SELECT id, case_number, order_id, parent_case_id, status::text, phase, technician_id, box_code, remarks, opened_at, finished_at FROM public.cases;
SELECT e.id, l.case_no::text, o.id, p.id, CASE l.state WHEN 'open' THEN 'open' WHEN 'closed' THEN 'closed' WHEN 'on hold' THEN 'on_hold' ELSE 'other' END,
       CASE WHEN l.finished_at IS NULL THEN 'active' ELSE 'done' END, t.id, l.box::text, l.remarks, l.opened_at AT TIME ZONE 'Europe/Paris',
       l.finished_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_case AS l JOIN expected.id AS e ON (e.entity, e.key) = ('cases', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('orders', l.instruction_id::text)
LEFT JOIN expected.live AS p ON (p.entity, p.key) = ('cases', l.parent_id::text)
LEFT JOIN expected.live AS t ON (t.entity, t.key) = ('users', l.technician_id::text);

SELECT id, profile_id, role, level, since FROM public.technician_roles;
SELECT e.id, p.id, l.role::text, l.level, l.since
FROM public.dispatch_technician_role AS l
JOIN expected.id AS e ON (e.entity, e.key) = ('technician_roles', '[' || to_json(l.user_id::text) || ',' || to_json(l.role) || ']')
LEFT JOIN expected.live AS p ON (p.entity, p.key) = ('users', l.user_id::text);

SELECT id, case_id, depends_on_id, title, kind::text, priority::text, technician_role_id, status::text, hours, planned_on, is_done, started_at,
       metadata - 'migrated_at', updated_at FROM public.tasks;
SELECT e.id, c.id, d.id, l.title::text, CASE l.kind_id WHEN 1 THEN 'model' WHEN 2 THEN 'wax' WHEN 3 THEN 'furnace' WHEN 4 THEN 'control' END,
       replace(l.priority::text, 'asap', 'urgent'), r.id, l.status::text, l.hours, l.planned, l.done = 1, l.started_at AT TIME ZONE 'Europe/Paris',
       jsonb_build_object('legacy_id', l.id, 'legacy', '{}'::jsonb), l.updated_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_task AS l JOIN expected.id AS e ON (e.entity, e.key) = ('tasks', l.id::text)
LEFT JOIN expected.live AS c ON (c.entity, c.key) = ('cases', l.case_id::text)
LEFT JOIN expected.live AS d ON (d.entity, d.key) = ('tasks', l.depends_on::text)
LEFT JOIN expected.live AS r ON (r.entity, r.key) = ('technician_roles', '[' || to_json(l.assignee_id::text) || ',' || to_json(l.assignee_role) || ']');

SELECT id, case_id, jaw_id, tooth, kind, value, unit, points, taken_at, metadata - 'migrated_at' FROM public.measurements;
SELECT e.id, c.id, l.jaw_id, l.tooth, l.kind::text, l.value, l.unit::text, l.points, l.taken_at AT TIME ZONE 'Europe/Paris',
       jsonb_build_object('legacy_id', l.id, 'legacy', '{}'::jsonb)
FROM public.dispatch_measurement AS l JOIN expected.id AS e ON (e.entity, e.key) = ('measurements', l.id::text)
LEFT JOIN expected.live AS c ON (c.entity, c.key) = ('cases', l.case_id::text);

SELECT id, sku, short_code, name, description, price::text, vat_rate::text, weight_g, is_active, categories, search, metadata - 'migrated_at', updated_at
FROM public.products;
SELECT e.id, l.sku::text, left(l.code, 8), l.label::text, l.description, CASE WHEN l.price ~ '^[0-9.]+$' THEN l.price::numeric(12,2)::text ELSE '0.00' END,
       l.vat::text, l.weight, l.active = 'Y', l.categories::text[], to_tsvector('simple', l.label || ' ' || coalesce(l.description, '')),
       jsonb_build_object('legacy_id', l.id, 'legacy', jsonb_build_object('search', l.search)), l.updated_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_product AS l JOIN expected.id AS e ON (e.entity, e.key) = ('products', l.id::text);

SELECT id, product_id, office_id, quantity::text, reserved, location, expires_on, counted_at FROM public.inventory_items;
SELECT e.id, p.id, o.id, l.qty::numeric(14,3)::text, l.reserved, l.location::text, l.expires, l.counted_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_inventory AS l JOIN expected.id AS e ON (e.entity, e.key) = ('inventory_items', l.id::text)
LEFT JOIN expected.live AS p ON (p.entity, p.key) = ('products', l.product_id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('offices', l.office_id::text);

SELECT id, order_id, discount_id, kind::text, amount::text, fee::text, currency::text, reference, value_date, booked_at FROM public.payments;
SELECT e.id, o.id, d.id, CASE l.kind_id WHEN 1 THEN 'invoice' WHEN 2 THEN 'refund' WHEN 3 THEN 'deposit' END, (l.amount_cents * 0.01)::numeric(12,2)::text,
       l.fee::text, l.currency::text, l.reference, l.value_date, l.booked_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_operation AS l JOIN expected.id AS e ON (e.entity, e.key) = ('payments', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('orders', l.instruction_id::text)
LEFT JOIN expected.live AS d ON (d.entity, d.key) = ('discounts', l.discount_id::text);

SELECT id, order_id, uploader_id, name, mime_type, size_bytes, sha1, thumbnail, exif, uploaded_at FROM public.files;
SELECT l.uuid AS id, o.id, u.id, l.name::text, l.mime::text, l.size_bytes, l.sha1, l.thumb, l.exif::jsonb, l.uploaded_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_file AS l
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('orders', l.instruction_id::text)
LEFT JOIN expected.live AS u ON (u.entity, u.key) = ('users', l.uploader_id::text);

SELECT id, order_id, sender_id, recipient_id, attachment_id, subject, body, is_read, sent_at FROM public.messages;
SELECT e.id, o.id, s.id, r.id, f.id, l.subject::text, l.body, coalesce(l.read_flag = 'Y', false), to_timestamp(l.sent_epoch)
FROM public.dispatch_message AS l JOIN expected.id AS e ON (e.entity, e.key) = ('messages', l.id::text)
LEFT JOIN expected.live AS o ON (o.entity, o.key) = ('orders', l.instruction_id::text)
LEFT JOIN expected.live AS s ON (s.entity, s.key) = ('users', l.sender_id::text)
LEFT JOIN expected.live AS r ON (r.entity, r.key) = ('users', l.recipient_id::text)
LEFT JOIN expected.live AS f ON (f.entity, f.key) = ('files', l.file_id::text);

SELECT id, subject_type, subject_id, author_id, body, is_edited, created_at FROM public.comments;
SELECT e.id, lower(l.subject_type), s.id, a.id, l.body, l.edited = 1, l.created_at AT TIME ZONE 'Europe/Paris'
FROM public.dispatch_comment AS l JOIN expected.id AS e ON (e.entity, e.key) = ('comments', l.id::text)
LEFT JOIN expected.live AS s ON (s.entity, s.key) =
    (CASE l.subject_type WHEN 'Order' THEN 'orders' WHEN 'Case' THEN 'cases' WHEN 'Patient' THEN 'patients' END, ltrim(l.subject_ref, '0'))
LEFT JOIN expected.live AS a ON (a.entity, a.key) = ('users', l.author_id::text);
