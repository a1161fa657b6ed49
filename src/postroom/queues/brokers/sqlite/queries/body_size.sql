SELECT length(body) FROM postroom_messages WHERE seq = :key AND id = :id
