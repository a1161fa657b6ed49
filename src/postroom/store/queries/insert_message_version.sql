INSERT INTO message_versions (message_id, version, at_us, editor, recipient, subject, content, html, content_sha256)
VALUES (:id, :version, :now_us, :editor, :recipient, :subject, :content, :html, :content_sha256)
