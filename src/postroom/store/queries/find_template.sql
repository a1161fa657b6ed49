-- locks t
SELECT t.seq, t.id, t.channel, t.version AS latest, t.archived, t.created_us, t.updated_us, v.version, v.subject, v.content,
    v.html, v.variables, v.topic, v.policy, v.health_data, v.wait_seconds, v.sender, v.sha256, v.author, v.at_us
FROM templates t JOIN template_versions v ON v.template = t.id AND v.version = coalesce(:version, t.version)
WHERE t.id = :id
