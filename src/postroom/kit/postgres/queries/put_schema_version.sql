INSERT INTO postroom_schema (component, version, needs) VALUES (%s, %s, %s)
ON CONFLICT (component) DO UPDATE SET version = excluded.version, needs = greatest(postroom_schema.needs, excluded.needs)
