DELETE FROM postroom_messages WHERE seq = :key AND id = :id RETURNING lease <> 0
