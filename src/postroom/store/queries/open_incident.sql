INSERT INTO incidents (rule, subject, value, threshold, opened_us) VALUES (:rule, :subject, :value, :threshold, :now_us)
