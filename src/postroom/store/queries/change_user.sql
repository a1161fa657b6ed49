UPDATE users SET roles = :roles, display_name = :display_name, email = :email, disabled = :disabled,
    password_hash = :password_hash, updated_us = :now_us
WHERE id = :id
