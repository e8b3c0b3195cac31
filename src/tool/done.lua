-- Prints what wrk or wrk2 counted as one line of JSON, after the tool's own text.
-- There is only a `done` hook: with `request`, `response` or `delay` the tool would call Lua for every request.
-- Formats: %d for whole numbers and %.3f for the rest, because Lua's own number to string keeps 14 digits.

local RANKS = { 50, 75, 90, 95, 99, 99.9, 99.99 }

local function number(value, format)
  if value == nil or value ~= value or value == math.huge or value == -math.huge then
    return "null"
  end
  return string.format(format, value)
end

local function spread(stats)
  return string.format(
    '"min":%s,"max":%s,"mean":%s,"stdev":%s',
    number(stats.min, "%d"), number(stats.max, "%d"), number(stats.mean, "%.3f"), number(stats.stdev, "%.3f")
  )
end

-- An empty statistic has no figures at all: its minimum would read 18446744073709551615, its percentiles 0.
local function rates(requests)
  if #requests == 0 then
    return "null"
  end
  return "{" .. spread(requests) .. "}"
end

local function latencies(latency, samples)
  if #latency == 0 then
    return "null"
  end
  local percentiles = {}
  for place, rank in ipairs(RANKS) do
    percentiles[place] = string.format("[%.4g,%s]", rank, number(latency:percentile(rank), "%d"))
  end
  return string.format(
    '{"samples":%s,%s,"percentiles":[%s]}', number(samples, "%d"), spread(latency), table.concat(percentiles, ",")
  )
end

function done(summary, latency, requests)
  local errors = summary.errors
  local samples, service_time = histogram(latency, summary, RANKS)
  io.write(
    '{"timetrial":1',
    string.format(',"requests":%d,"duration_us":%d,"bytes":%d', summary.requests, summary.duration, summary.bytes),
    string.format(
      ',"errors":{"connect":%d,"read":%d,"write":%d,"status":%d,"timeout":%d}',
      errors.connect, errors.read, errors.write, errors.status, errors.timeout
    ),
    ',"latency":', latencies(latency, samples),
    ',"service_time":', service_time or "null",
    ',"rate":', rates(requests),
    "}\n"
  )
  io.flush()
end
