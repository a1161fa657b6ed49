UPDATE messages SET review_note = :review_note WHERE id = :id
