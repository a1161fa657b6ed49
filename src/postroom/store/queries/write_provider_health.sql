INSERT OR REPLACE INTO provider_health (provider, circuit, failures, opened_us, opens, trial_us, tokens, filled_us, code,
    succeeded_us, failed_us)
VALUES (:provider, :circuit, :failures, :opened_us, :opens, :trial_us, :tokens, :filled_us, :code, :succeeded_us,
    :failed_us)
