UPDATE api_tokens SET revoked_us = :now_us WHERE id = :id AND revoked_us IS NULL
