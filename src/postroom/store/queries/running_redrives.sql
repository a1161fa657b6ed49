SELECT id, holder, held_us FROM redrives WHERE state = 'running' ORDER BY seq LIMIT 100
