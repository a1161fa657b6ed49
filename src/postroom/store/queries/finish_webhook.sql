UPDATE webhook_inbox SET processed_us = :now_us, problem = :problem WHERE id = :id
