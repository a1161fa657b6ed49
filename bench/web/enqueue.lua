-- wrk: POST one email job after the other, each with a messageId of its own; a line of JSON at the end.
-- Arguments after `--`: a word that tells this run's ids from those of other runs, and the job's content.

local threads = 0

function setup(thread)
  thread:set("id", threads)
  threads = threads + 1
end

function init(args)
  sent = 0
  before = '{"type":"email_send","messageId":"' .. args[1] .. '-' .. id .. '-'
  after = '","recipient":"test@example.com","subject":"Test","content":"' .. args[2] .. '","priority":"normal"}'
  wrk.method = "POST"
  wrk.headers["Content-Type"] = "application/json"
end

function request()
  sent = sent + 1
  return wrk.format(nil, nil, nil, before .. string.format("%08d", sent) .. after)
end

function done(summary, latency, requests)
  local errors = summary.errors
  io.write(string.format(
    '\nRESULT {"requests":%d,"seconds":%f,"refused":%d,"broken":%d,"p50_ms":%f,"p99_ms":%f}\n',
    summary.requests, summary.duration / 1e6, errors.status,
    errors.connect + errors.read + errors.write + errors.timeout,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3))
end
