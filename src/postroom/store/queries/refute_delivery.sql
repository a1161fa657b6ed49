UPDATE deliveries SET verdict = 'rejected_temporary', detail = 'the provider never got it', state = 'failed', rank = 100,
    updated_us = :now_us
WHERE id = :id AND rank = 0
