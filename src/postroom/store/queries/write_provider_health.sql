INSERT INTO provider_health (provider, circuit, failures, opened_us, opens, trial_us, tokens, filled_us, code, succeeded_us,
    failed_us)
VALUES (:provider, :circuit, :failures, :opened_us, :opens, :trial_us, :tokens, :filled_us, :code, :succeeded_us,
    :failed_us)
ON CONFLICT (provider) DO UPDATE SET circuit = excluded.circuit, failures = excluded.failures,
    opened_us = excluded.opened_us, opens = excluded.opens, trial_us = excluded.trial_us, tokens = excluded.tokens,
    filled_us = excluded.filled_us, code = excluded.code, succeeded_us = excluded.succeeded_us,
    failed_us = excluded.failed_us
