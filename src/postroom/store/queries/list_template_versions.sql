SELECT t.seq, t.id, t.channel, t.version AS latest, t.archived, t.created_us, t.updated_us, v.version, v.subject, v.content,
    v.html, v.variables, v.topic, v.policy, v.health_data, v.wait_seconds, v.sender, v.sha256, v.author, v.at_us
FROM template_versions v JOIN templates t ON t.id = v.template
WHERE v.template = :id AND v.version < :before ORDER BY v.version DESC LIMIT :limit
