UPDATE api_tokens SET used_us = :now_us WHERE id = :id
