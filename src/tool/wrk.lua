-- Takes back what wrk's `stats_correct` added to its latencies, and so finds the times that it really measured.
--
-- After the load, wrk sets e = duration / (requests / connections) and adds, for each latency n >= 2e, invented ones
-- at n - e, n - 2e, ... as long as they exceed e. What it then calls latency can't be told apart from what it measured.
-- But the sum has one solution: above e, measured[m] = corrected[m] - corrected[m + e]; up to e nothing was added.
--
-- The histogram is read in wrk's memory, through LuaJIT's ffi: the hook's own way to it walks the whole histogram for
-- each value, which takes minutes. The layout is that of wrk 4.0 to 4.2 and is held against the hook's own minimum and maximum
-- before anything else is read; timetrial holds the number of samples against the requests afterwards.

local ffi_found, ffi = pcall(require, "ffi")
if ffi_found then
  ffi.cdef("typedef struct { uint64_t count, limit, min, max; uint64_t data[1]; } timetrial_stats;")
end

local function histogram_of(latency)
  if not ffi_found then
    return nil
  end
  local stats = ffi.cast("timetrial_stats **", latency)[0]
  local min, max = tonumber(stats.min), tonumber(stats.max)
  if min ~= latency.min or max ~= latency.max or max < min or tonumber(stats.limit) <= max then
    return nil
  end
  return stats, min, max
end

local function measured(stats, max, interval, value)
  local count = tonumber(stats.data[value])
  if value > interval and value + interval <= max then
    count = count - tonumber(stats.data[value + interval])
  end
  return count
end

-- Both statistics as wrk defines them: the sample deviation, and percentile p at rank round(p / 100 * samples + 0.5).
local function service_times(stats, min, max, interval, ranks)
  local samples, sum = 0, 0
  local least, most
  for value = min, max do
    local count = measured(stats, max, interval, value)
    if count > 0 then
      samples, sum, least, most = samples + count, sum + count * value, least or value, value
    end
  end
  local mean = sum / samples
  local squares, seen, next_rank, percentiles = 0, 0, 1, {}
  for value = min, max do
    local count = measured(stats, max, interval, value)
    squares, seen = squares + count * (value - mean) ^ 2, seen + count
    while ranks[next_rank] and seen >= math.floor(ranks[next_rank] / 100 * samples + 1) do
      percentiles[next_rank] = string.format("[%.4g,%d]", ranks[next_rank], value)
      next_rank = next_rank + 1
    end
  end
  local stdev = samples < 2 and 0 or math.sqrt(squares / (samples - 1))
  return string.format(
    '{"samples":%d,"min":%d,"max":%d,"mean":%.3f,"stdev":%.3f,"percentiles":[%s]}',
    samples, least, most, mean, stdev, table.concat(percentiles, ",")
  )
end

-- The number of corrected samples, and the service times as JSON.
function histogram(latency, summary, ranks)
  local stats, min, max = histogram_of(latency)
  if not stats then
    return nil, nil
  end
  local cycles = math.floor(summary.requests / CONNECTIONS)
  local interval = cycles > 0 and math.floor(summary.duration / cycles) or max
  return tonumber(stats.count), service_times(stats, min, max, interval, ranks)
end
