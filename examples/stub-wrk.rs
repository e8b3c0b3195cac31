//! A load generator for tests: it takes wrk's arguments, makes no load, and prints what wrk with our script would. How
//! it behaves stands in a file beside it, `<program>.mode`: its environment is not the test's to choose.

#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a load generator prints")]

use std::io::Write;
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{SigSet, Signal, kill};
use nix::unistd::Pid;

/// Milliseconds that each answer took.
const SERVICE_MS: f64 = 2.0;

fn main() -> std::io::Result<()> {
    let arguments: Vec<String> = std::env::args().collect();
    let value = |option: &str| {
        let at = arguments.iter().position(|argument| argument == option);
        at.and_then(|at| arguments.get(at + 1)).cloned().unwrap_or_default()
    };
    let number = |option: &str| value(option).trim_end_matches('s').parse().unwrap_or(1_u32);
    let (seconds, connections, threads) = (number("-d"), number("-c"), number("-t"));
    let url = arguments.last().cloned().unwrap_or_default();
    let mode = std::fs::read_to_string(std::env::current_exe()?.with_extension("mode")).unwrap_or_default();
    let told = interruption()?;
    let begun = Instant::now();
    match mode.trim() {
        "garbage" => println!("\u{1b}]52;c;ZXZpbA==\u{7}<script>alert(1)</script>\u{202e}no figures today"),
        "formula" => println!("=cmd|' /C calc'!A0"),
        "hang" => loop {
            thread::sleep(Duration::from_secs(600));
        },
        "killed" => {
            println!("Running {seconds}s test @ {url}");
            std::io::stdout().flush()?;
            kill(Pid::this(), Signal::SIGKILL)?;
        }
        "refused" => {
            eprintln!("unable to connect to 127.0.0.1:1 Connection refused");
            return Err(std::io::Error::other("not connected"));
        }
        "flood" => {
            let line = format!("{}\n", "x".repeat(1023));
            for _ in 0..8192 {
                std::io::stdout().write_all(line.as_bytes())?;
            }
        }
        _ => {
            let whole = told.recv_timeout(Duration::from_secs(seconds.into()));
            let lasted = begun.elapsed().max(Duration::from_millis(100));
            // The end of the other thread without a word can't be; a word is an interruption.
            let us = if whole == Err(RecvTimeoutError::Timeout) {
                u64::from(seconds) * 1_000_000
            } else {
                lasted.as_micros() as u64
            };
            print!("{}", output(&url, seconds, threads, connections, us));
            std::io::stdout().flush()?;
        }
    }
    Ok(())
}

/// Tells when it is interrupted.
fn interruption() -> std::io::Result<Receiver<()>> {
    let mut signals = SigSet::empty();
    signals.add(Signal::SIGINT);
    signals.thread_block()?;
    let (tell, told) = channel();
    thread::spawn(move || {
        let _ = signals.wait();
        let _ = tell.send(());
    });
    Ok(told)
}

/// What wrk prints of a daemon that answers everything in [`SERVICE_MS`].
fn output(url: &str, seconds: u32, threads: u32, connections: u32, us: u64) -> String {
    let duration_s = us as f64 / 1e6;
    let requests = (f64::from(connections) * duration_s * 1e3 / SERVICE_MS) as u64;
    let bytes = requests * 150;
    let (rate, transfer) = (requests as f64 / duration_s, bytes as f64 / duration_s / 1024.0);
    let each = SERVICE_MS * 1e3;
    let percentiles = "[[50,2000],[75,2000],[90,2000],[95,2000],[99,2000],[99.9,2000],[99.99,2000]]";
    let times = format!(
        r#"{{"samples":{requests},"min":2000,"max":2000,"mean":{each:.3},"stdev":0.000,"percentiles":{percentiles}}}"#
    );
    format!(
        "wrk stub/4.1.0 [epoll] Copyright (C) 2012 Will Glozer\n\
         Running {seconds}s test @ {url}\n\
        \x20 {threads} threads and {connections} connections\n\
        \x20 Thread Stats   Avg      Stdev     Max   +/- Stdev\n\
        \x20   Latency     2.00ms    0.00us   2.00ms  100.00%\n\
        \x20   Req/Sec     1.00k     0.00     1.00k   100.00%\n\
        \x20 Latency Distribution\n\
        \x20    50%    2.00ms\n\x20    75%    2.00ms\n\x20    90%    2.00ms\n\x20    99%    2.00ms\n\
        \x20 {requests} requests in {duration_s:.2}s, {:.2}KB read\n\
         Requests/sec: {rate:9.2}\n\
         Transfer/sec: {transfer:9.2}KB\n\
         {{\"timetrial\":1,\"requests\":{requests},\"duration_us\":{us},\"bytes\":{bytes},\
         \"errors\":{{\"connect\":0,\"read\":0,\"write\":0,\"status\":0,\"timeout\":0}},\
         \"latency\":{times},\"service_time\":{times},\"rate\":{{\"min\":1000,\"max\":1000,\"mean\":1000.000,\"stdev\":0.000}}}}\n",
        bytes as f64 / 1024.0
    )
}
