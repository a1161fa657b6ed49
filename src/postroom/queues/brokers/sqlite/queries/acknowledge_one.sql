DELETE FROM postroom_messages WHERE seq = :key AND lease = :token AND id = :id
