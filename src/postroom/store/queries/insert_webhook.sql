INSERT INTO webhook_inbox (id, receiver, received_us, method, url, headers, body)
VALUES (:id, :receiver, :now_us, :method, :url, :headers, :body)
