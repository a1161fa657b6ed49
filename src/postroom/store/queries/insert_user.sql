INSERT INTO users (id, name, display_name, email, roles, password_hash, created_us, updated_us)
VALUES (:id, :name, :display_name, :email, :roles, :password_hash, :now_us, :now_us)
