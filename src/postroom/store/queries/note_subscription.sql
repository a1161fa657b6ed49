UPDATE subscriptions SET code = :code, succeeded_us = CASE WHEN :ok = 1 THEN :now_us ELSE succeeded_us END,
    failed_us = CASE WHEN :ok = 1 THEN failed_us ELSE :now_us END
WHERE id = :id
