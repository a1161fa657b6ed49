SELECT * FROM legal_holds WHERE :history OR lifted_us IS NULL ORDER BY seq
