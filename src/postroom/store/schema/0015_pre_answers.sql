-- A message that answers somebody's STOP, START or HELP: which of them; NULL: none. It is sent in spite of an opt-out.
ALTER TABLE messages ADD COLUMN answers TEXT;
