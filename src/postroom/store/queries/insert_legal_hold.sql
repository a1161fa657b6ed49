INSERT INTO legal_holds (id, kind, value, reason, actor, created_us) VALUES (:id, :kind, :value, :reason, :actor, :now_us)
