-- The dental laboratory, :copies times: what stands in the source already, and as many copies less one with keys of their
-- own. A copy refers to itself alone and has the dirt of the first, number for number: rows that nobody knows, values
-- that are no number, duplicates. Keys move by a million per copy; texts that are unique get the copy's number.
SET session_replication_role = replica;
SET lab.copies = :copies;

DO $copy$
DECLARE
    -- A table, and what becomes of its columns in copy k: a column alone is a key, and moves.
    copied CONSTANT text[][] := ARRAY[
        ['dispatch_office', 'id, head_user_id, code = code || k'],
        ['dispatch_user', 'id, office_id, login = login || ''.'' || k, mail = CASE WHEN mail <> '''' THEN k || ''.'' || mail ELSE mail END'],
        ['dispatch_doctor', 'id, office_id, license_no = license_no || ''-'' || k'],
        ['dispatch_patient', 'id, office_id, doctor_id, patient_number = patient_number || lpad(k::text, 4, ''0'')'],
        ['dispatch_product', 'id, sku = sku || ''-'' || k'],
        ['dispatch_instruction', 'id, patient_id, doctor_id, office_id, product_id, created_by, ref_no = ref_no || ''-'' || k'],
        ['dispatch_case', 'id, instruction_id, parent_id, technician_id, case_no = case_no || ''-'' || k'],
        ['dispatch_technician_role', 'user_id'],
        ['dispatch_task', 'id, case_id, depends_on, assignee_id'],
        ['dispatch_inventory', 'id, product_id, office_id'],
        ['dispatch_project', 'id, patient_id, doctor_id, office_id'],
        ['dispatch_treatment_plan', 'id, patient_id, project_id'],
        ['dispatch_measurement', 'id, case_id'],
        ['dispatch_file', 'id, instruction_id, uploader_id, uuid = md5(uuid::text || k)::uuid'],
        ['dispatch_discount', 'id, office_id, code = code || ''-'' || k'],
        ['dispatch_operation', 'id, instruction_id, discount_id'],
        ['dispatch_offer', 'office_id, product_id'],
        ['dispatch_message', 'id, instruction_id, sender_id, recipient_id, file_id'],
        ['dispatch_system_message', 'id, recipient_id'],
        -- The subject's key is a text, some with leading zeros.
        ['dispatch_comment', 'id, author_id, subject_ref = CASE WHEN subject_ref LIKE ''0%'' THEN ''0'' ELSE '''' END || (subject_ref::integer + k * 1000000)'],
        ['dispatch_notification', 'id, user_id, message_id'],
        ['dispatch_feedback', 'id, instruction_id'],
        ['dispatch_setting', 'name = name || '' '' || k']];
    one text[];
    columns text;
    shapes text;
BEGIN
    FOREACH one SLICE 1 IN ARRAY copied LOOP
        SELECT string_agg(quote_ident(attname), ', ' ORDER BY attnum),
               string_agg(CASE WHEN said IS NULL THEN quote_ident(attname)
                               WHEN said LIKE '%=%' THEN substr(said, strpos(said, '=') + 1)
                               ELSE format('%I + k * 1000000', attname) END, ', ' ORDER BY attnum)
          INTO columns, shapes
          FROM pg_attribute
          LEFT JOIN LATERAL (SELECT said FROM regexp_split_to_table(one[2], ', (?=[a-z_]+(, | = |$))') AS said
                              WHERE split_part(said, ' = ', 1) = attname) AS said ON true
         WHERE attrelid = one[1]::regclass AND attnum > 0 AND NOT attisdropped;
        EXECUTE format('INSERT INTO %1$I (%2$s) SELECT %3$s FROM %1$I CROSS JOIN generate_series(1, %4$s - 1) AS k ORDER BY k',
                       one[1], columns, shapes, current_setting('lab.copies'));
    END LOOP;
END
$copy$;

VACUUM ANALYZE;
