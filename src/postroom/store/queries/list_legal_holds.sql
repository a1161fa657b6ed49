SELECT * FROM legal_holds WHERE :history = 1 OR lifted_us IS NULL ORDER BY seq
