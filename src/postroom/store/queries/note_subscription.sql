UPDATE subscriptions SET code = :code, succeeded_us = CASE WHEN :ok THEN :now_us ELSE succeeded_us END,
    failed_us = CASE WHEN :ok THEN failed_us ELSE :now_us END
WHERE id = :id
