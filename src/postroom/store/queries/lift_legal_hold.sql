UPDATE legal_holds SET lifted_us = :now_us, lifted_by = :actor WHERE id = :id AND lifted_us IS NULL
