INSERT INTO template_versions
    (template, version, subject, content, html, variables, topic, policy, health_data, wait_seconds, sender, sha256,
    author, at_us)
VALUES (:id, :version, :subject, :content, :html, :variables, :topic, :policy, :health_data, :wait_seconds, :sender,
    :sha256, :author, :now_us)
