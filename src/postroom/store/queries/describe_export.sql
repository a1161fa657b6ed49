UPDATE exports SET dataset = :dataset, filters = :filters, columns = :columns WHERE id = :id
