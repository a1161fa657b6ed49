SELECT to_regclass('postroom_schema') IS NOT NULL
