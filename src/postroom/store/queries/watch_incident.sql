UPDATE incidents SET calm = :calm, value = :value WHERE seq = :seq
