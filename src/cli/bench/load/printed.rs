//! What a generator said of its own load. Pure.

use crate::metric::LoadResult;
use crate::tool::text;

/// What is held against the truth.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Said {
    /// Latency at 50 %.
    pub p50_us: Option<f64>,
    /// At 99 %.
    pub p99_us: Option<f64>,
    /// At 99.9 %.
    pub p99_9_us: Option<f64>,
    /// Requests that it says it sent, if it says that.
    pub sent: Option<u64>,
    /// The most memory that it says it had.
    pub peak_memory_bytes: Option<u64>,
    /// How it was scheduled, if it says that.
    pub scheduler: Option<String>,
    /// What went wrong in its own eyes. The server did nothing wrong, so there should be nothing.
    pub complaints: Vec<String>,
}

/// The last line of ours.
pub fn ours(stdout: &str) -> Result<Said, String> {
    let line = stdout.lines().rfind(|line| !line.trim().is_empty()).ok_or("it printed nothing")?;
    let result: LoadResult = serde_json::from_str(line).map_err(|error| format!("its last line: {error}"))?;
    let errors = result.errors.iter().map(|error| format!("{} {} ({})", error.errors_count, error.phase, error.reason));
    let scheduler = match result.scheduler_because {
        Some(why) => format!("{}: {why}", result.scheduler),
        None => result.scheduler,
    };
    Ok(Said {
        p50_us: result.latency.p50_us,
        p99_us: result.latency.p99_us,
        p99_9_us: result.latency.p99_9_us,
        sent: Some(result.requests.sent_count),
        peak_memory_bytes: result.surroundings.peak_memory_bytes,
        scheduler: Some(scheduler),
        complaints: errors.chain(result.invalid_because).collect(),
    })
}

/// The text of wrk and wrk2. wrk2 has no latencies where its load was too short.
pub fn wrk(stdout: &str) -> Result<Said, String> {
    let text = text::parse(stdout.as_bytes()).map_err(|error| error.to_string())?;
    let at = |rank: f64| text.percentiles.iter().find(|one| (one.rank - rank).abs() < 1e-9).map(|one| one.us.value);
    let failed = text.errors.by_kind().into_iter().filter(|(_, count)| *count > 0);
    Ok(Said {
        p50_us: at(50.0),
        p99_us: at(99.0),
        p99_9_us: at(99.9),
        complaints: failed.map(|(kind, count)| format!("{count} {kind}")).collect(),
        ..Said::default()
    })
}

/// oha's JSON. What is under way at its deadline it aborts, and calls that an error.
pub fn oha(stdout: &str) -> Result<Said, String> {
    let json: serde_json::Value = serde_json::from_str(stdout).map_err(|error| error.to_string())?;
    let percentiles = json.get("latencyPercentiles").ok_or("it has no latencyPercentiles")?;
    let at = |name: &str| percentiles.get(name).and_then(serde_json::Value::as_f64).map(|seconds| seconds * 1e6);
    let errors = json.get("errorDistribution").and_then(serde_json::Value::as_object).into_iter().flatten();
    let failed = errors.filter(|(kind, _)| *kind != "aborted due to deadline");
    Ok(Said {
        p50_us: at("p50"),
        p99_us: at("p99"),
        p99_9_us: at("p99.9"),
        complaints: failed.map(|(kind, count)| format!("{count} {kind}")).collect(),
        ..Said::default()
    })
}

/// What h2load says of its requests.
pub fn h2load(stdout: &str) -> Result<Said, String> {
    let line = stdout.lines().find_map(|line| line.strip_prefix("requests: ")).ok_or("it has no line of requests")?;
    let failed = line.split(", ").filter_map(|part| part.split_once(' '));
    let failed = failed.filter(|(count, kind)| matches!(*kind, "failed" | "errored" | "timeout") && *count != "0");
    Ok(Said { complaints: failed.map(|(count, kind)| format!("{count} {kind}")).collect(), ..Said::default() })
}

/// What ab says of its requests.
pub fn ab(stdout: &str) -> Result<Said, String> {
    let value = |name: &str| stdout.lines().find_map(|line| Some(line.strip_prefix(name)?.trim().to_owned()));
    let failed = value("Failed requests:").ok_or("it has no line of failed requests")?;
    let refused = value("Non-2xx responses:");
    let complaints = [(failed, "failed"), (refused.unwrap_or_default(), "refused")];
    let told = complaints.into_iter().filter(|(count, _)| !matches!(count.as_str(), "" | "0"));
    Ok(Said { complaints: told.map(|(count, kind)| format!("{count} {kind}")).collect(), ..Said::default() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRK2: &str = "Running 13s test @ http://127.0.0.1:8080/
  1 threads and 64 connections
  Thread calibration: mean lat.: 1.747ms, rate sampling interval: 10ms
  Thread Stats   Avg      Stdev     Max   +/- Stdev
    Latency     1.81ms  412.12us   8.31ms   80.12%
    Req/Sec     5.27k   617.60     9.44k    73.11%
  Latency Distribution (HdrHistogram - Recorded Latency)
 50.000%    1.75ms
 75.000%    2.05ms
 90.000%    2.30ms
 99.000%    3.46ms
 99.900%    4.60ms
 99.990%    6.21ms
 99.999%    8.30ms
100.000%    8.31ms

  Detailed Percentile spectrum:
       Value   Percentile   TotalCount 1/(1-Percentile)

       1.031     0.000000            1         1.00
       8.311     1.000000        14984          inf
#[Mean    =        1.810, StdDeviation   =        0.412]
#[Max     =        8.304, Total count    =        14984]
#[Buckets =           27, SubBuckets     =         2048]
----------------------------------------------------------
  64232 requests in 13.00s, 7.41MB read
  Socket errors: connect 0, read 12, write 0, timeout 0
Requests/sec:   4940.79
Transfer/sec:    583.79KB
";

    #[test]
    fn the_text_of_wrk2_is_read() {
        let said = wrk(WRK2).expect("a whole output");
        assert_eq!((said.p50_us, said.p99_us, said.p99_9_us), (Some(1_750.0), Some(3_460.0), Some(4_600.0)));
        assert_eq!(said.complaints, ["12 receive"]);
        assert!(wrk(&WRK2[..WRK2.len() - 30]).is_err());
    }

    #[test]
    fn the_json_of_oha_is_read() {
        let text = r#"{"summary":{"successRate":1.0,"requestsPerSec":5000.1},
            "latencyPercentiles":{"p50":0.001066,"p99":0.00131,"p99.9":0.0021},
            "statusCodeDistribution":{"200":20000},
            "errorDistribution":{"aborted due to deadline":5,"connection error":2}}"#;
        let said = oha(text).expect("a whole output");
        let near = |value: Option<f64>, expected: f64| value.is_some_and(|value| (value - expected).abs() < 1e-6);
        assert!(near(said.p50_us, 1_066.0) && near(said.p99_us, 1_310.0) && near(said.p99_9_us, 2_100.0));
        assert_eq!(said.complaints, ["2 connection error"]);
        assert!(oha("{}").is_err() && oha("").is_err());
    }

    #[test]
    fn requests_that_failed_are_complaints() {
        let line = "requests: 10 total, 12 started, 10 done, 8 succeeded, 2 failed, 0 errored, 0 timeout\n";
        assert_eq!(h2load(line).map(|said| said.complaints), Ok(vec!["2 failed".to_owned()]));
        let text = "Complete requests:      9\nFailed requests:        0\nNon-2xx responses:      3\n";
        assert_eq!(ab(text).map(|said| said.complaints), Ok(vec!["3 refused".to_owned()]));
        assert!(ab("").is_err() && h2load("").is_err());
    }

    #[test]
    fn what_is_no_line_of_ours_is_an_error() {
        assert!(ours("").is_err());
        assert!(ours("{\"type\":\"second\"}\n").is_err());
    }
}
