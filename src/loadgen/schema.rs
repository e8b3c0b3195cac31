//! The JSON Schema of the lines that a load prints. A test holds it against real lines, key by key.

use serde_json::{Map, Value, json};

use crate::metric::LOAD_RESULT_FORMAT;

/// A key: its name, what it holds, and what that means.
type Field = (&'static str, Value, &'static str);

/// The name of the file, and the schema.
pub fn schema() -> (&'static str, Value) {
    let mut schema = json!({
        "$schema": "http://json-schema.org/draft-07/schema#",
        "title": "timetrial load",
        "description": "A line of `timetrial load --message-format json`. The last one of a load is its result.",
    });
    let kinds = ["start", "second", "result", "probe", "found"];
    schema["oneOf"] = kinds.map(|kind| json!({ "$ref": format!("#/definitions/{kind}") })).into_iter().collect();
    schema["definitions"] = json!({
        "start": object("What was asked for: the first line.", &start()),
        "second": object("One second of a load. After its duration, answers may still come.", &second()),
        "result": object("Everything that was counted and timed, and whether it can be believed.", &result()),
        "probe": object("What came of one probe of --find-max, after its result.", &probe()),
        "found": object("What --find-max found: its last line.", &found()),
        "times": object(
            "Figures of a histogram. A percentile is null where no sample stands beyond it, and all are where it is empty.",
            &times(),
        ),
    });
    ("load-result.schema.json", schema)
}

fn object(about: &str, fields: &[Field]) -> Value {
    let properties = fields.iter().map(|(name, kind, about)| {
        let mut kind = kind.clone();
        // Draft 7 ignores what stands beside a reference.
        if kind.get("$ref").is_none() {
            kind["description"] = json!(about);
        }
        ((*name).to_owned(), kind)
    });
    let properties: Map<String, Value> = properties.collect();
    let required: Vec<&str> = fields.iter().map(|(name, ..)| *name).collect();
    json!({
        "type": "object",
        "description": about,
        "additionalProperties": false,
        "properties": properties,
        "required": required,
    })
}

fn text() -> Value {
    json!({ "type": "string" })
}

fn texts() -> Value {
    json!({ "type": "array", "items": { "type": "string" } })
}

fn count() -> Value {
    json!({ "type": "integer", "minimum": 0 })
}

fn number() -> Value {
    json!({ "type": "number", "minimum": 0 })
}

fn flag() -> Value {
    json!({ "type": "boolean" })
}

fn is(word: &str) -> Value {
    json!({ "const": word })
}

fn words(words: &[&str]) -> Value {
    json!({ "enum": words })
}

/// Or `null`.
fn maybe(mut kind: Value) -> Value {
    kind["type"] = json!([kind["type"], "null"]);
    kind
}

fn list(about: &str, fields: &[Field]) -> Value {
    json!({ "type": "array", "items": object(about, fields) })
}

fn figures() -> Value {
    json!({ "$ref": "#/definitions/times" })
}

fn format() -> Value {
    json!({ "type": "integer", "minimum": 1, "maximum": LOAD_RESULT_FORMAT })
}

const PACES: [&str; 3] = ["closed", "precise", "economy"];
const HISTOGRAM: &str = "An HdrHistogram of nanoseconds, in its V2 encoding, compressed, in Base64.";

fn start() -> Vec<Field> {
    vec![
        ("type", is("start"), "The kind of line."),
        ("format", format(), "The version of these lines."),
        ("tool", text(), "The program and its version."),
        ("url", text(), "What is requested."),
        ("addresses", texts(), "The addresses that connections are made to."),
        ("pace", words(&PACES), "A closed loop, or how an open one is woken up."),
        ("threads_count", count(), "Threads."),
        ("connections_asked_count", count(), "Connections asked for."),
        ("streams_asked_count", maybe(count()), "Requests at once on each connection of HTTP/2."),
        ("rate_asked_per_s", maybe(number()), "The mean rate asked for. null in a closed loop."),
        ("duration_asked_us", count(), "How long requests are to be sent."),
        ("timeout_us", count(), "From when on a request is given up."),
        ("start_at_unix_us", maybe(count()), "When it is to begin, in Unix time. null: at once."),
        ("warnings", texts(), "What may go wrong, in sentences."),
    ]
}

fn second() -> Vec<Field> {
    vec![
        ("type", is("second"), "The kind of line."),
        ("from_s", count(), "When it began, counted from the start of the load."),
        ("sent_count", count(), "Requests sent in it."),
        ("answers_count", count(), "Answers that came in it."),
        ("successes_count", count(), "Of those, the ones as expected."),
        ("errors_count", count(), "Failures of any kind in it."),
        ("received_bytes", count(), "Bytes received in it."),
        ("connections_open_count", count(), "Connections open at its end."),
        ("latency", object("Latencies of what ended in it.", &second_times()), "Latencies of what ended in it."),
    ]
}

fn second_times() -> Vec<Field> {
    vec![
        ("samples_count", count(), "Times in it."),
        ("min_us", maybe(number()), "Smallest."),
        ("mean_us", maybe(number()), "Arithmetic mean."),
        ("p50_us", maybe(number()), "Median."),
        ("p90_us", maybe(number()), "90 %."),
        ("p99_us", maybe(number()), "99 %."),
        ("p99_9_us", maybe(number()), "99.9 %."),
        ("max_us", maybe(number()), "Largest."),
        ("histogram", maybe(text()), HISTOGRAM),
    ]
}

fn times() -> Vec<Field> {
    vec![
        ("samples_count", count(), "Times in it."),
        ("lower_bounds_count", count(), "Of those, lower bounds: whoever was given up would have waited longer."),
        ("min_us", maybe(number()), "Smallest."),
        ("mean_us", maybe(number()), "Arithmetic mean."),
        ("stdev_us", maybe(number()), "Standard deviation."),
        ("p50_us", maybe(number()), "Median."),
        ("p75_us", maybe(number()), "75 %."),
        ("p90_us", maybe(number()), "90 %."),
        ("p95_us", maybe(number()), "95 %."),
        ("p99_us", maybe(number()), "99 %."),
        ("p99_9_us", maybe(number()), "99.9 %."),
        ("p99_99_us", maybe(number()), "99.99 %."),
        ("max_us", maybe(number()), "Largest."),
        ("histogram", maybe(text()), HISTOGRAM),
    ]
}

fn result() -> Vec<Field> {
    let mut fields = asked();
    fields.extend(came());
    fields
}

fn asked() -> Vec<Field> {
    vec![
        ("type", is("result"), "The kind of line."),
        ("format", format(), "The version of these lines."),
        ("tool", text(), "The program and its version."),
        ("url", text(), "What was requested, as asked."),
        ("protocol", maybe(text()), "What the server spoke. null where nothing was answered, mixed for several."),
        ("engine", words(&["epoll", "io_uring", "tokio", "mixed"]), "How the kernel was spoken to."),
        ("pace", words(&PACES), "A closed loop, or how an open one was woken up."),
        ("scheduler", words(&["SCHED_FIFO", "SCHED_OTHER", "mixed"]), "The scheduler class of the threads."),
        ("scheduler_because", maybe(text()), "Why it is that one, where somebody may wonder."),
        ("receive_times", words(&["kernel", "user", "mixed"]), "Where receive times come from."),
        ("threads_count", count(), "Threads."),
        ("streams_asked_count", maybe(count()), "Requests at once on each connection of HTTP/2."),
        ("connections", object("Connections.", &connections()), "Connections."),
        ("started_unix_us", count(), "When requests began, in Unix time."),
        ("duration_asked_us", count(), "How long requests were to be sent."),
        ("duration_us", count(), "How long they were: shorter if somebody stopped it."),
        ("timeout_us", count(), "From when on a request was given up."),
        ("rate_asked_per_s", maybe(number()), "The mean rate asked for. null in a closed loop."),
        (
            "rates_asked",
            maybe(text()),
            "`100..300` for a rate that changed evenly, `100,200` for steps. null for one rate.",
        ),
    ]
}

fn came() -> Vec<Field> {
    vec![
        ("rate_sent_per_s", number(), "Requests sent, over the duration."),
        ("answers_per_s", number(), "Answers within the duration, over the duration."),
        ("successes_per_s", number(), "Answers as expected within the duration, over the duration."),
        ("requests", object("Requests.", &requests()), "Requests."),
        ("received_bytes", count(), "Bytes received, heads included."),
        ("sent_bytes", count(), "Bytes sent, heads included."),
        ("statuses", list("Answers with one status code.", &statuses()), "Answers by status code."),
        ("errors", list("One kind of failure.", &errors()), "Failures, each kind by itself."),
        ("latency", figures(), "From when a request was due (in a closed loop: sent) until its answer was there."),
        ("service_time", figures(), "From when it was sent."),
        ("send_lateness", figures(), "From when a request could have been sent until it was: our own error."),
        ("connect_time", figures(), "How long it took to make connections, the handshake of TLS included."),
        ("surroundings", object("What it cost us and what disturbed us.", &surroundings()), "What it cost."),
        ("is_valid", flag(), "Whether the figures mean what they say."),
        ("invalid_because", texts(), "Why not, in sentences."),
        ("lateness_bound_us", number(), "The p99 of our own lateness from which on it is not."),
        ("clients_count", count(), "How many clients' results were merged into this."),
    ]
}

fn connections() -> Vec<Field> {
    vec![
        ("asked_count", count(), "Asked for."),
        ("most_open_count", count(), "The most that were open at once."),
        ("opened_count", count(), "Made in all."),
        ("replaced_count", count(), "Made in the place of others."),
        ("closed_by_server_count", count(), "Closed by the server, politely."),
        ("alive_count", count(), "Open at the end."),
    ]
}

fn requests() -> Vec<Field> {
    vec![
        ("due_count", maybe(count()), "Due by the schedule. null in a closed loop."),
        ("sent_count", count(), "Sent."),
        ("answered_count", count(), "Answered, with any status."),
        ("answered_in_time_count", count(), "Of those, within the duration."),
        ("succeeded_count", count(), "Answered as expected."),
        ("unfinished_count", count(), "Still under way when nobody waited any longer."),
        ("never_sent_count", count(), "Due and never sent, since no connection was free or theirs could not be made."),
    ]
}

fn statuses() -> Vec<Field> {
    vec![("status", count(), "The code."), ("answers_count", count(), "How many.")]
}

fn errors() -> Vec<Field> {
    vec![
        ("phase", words(&crate::loadgen::result::PHASES), "When it failed."),
        ("reason", text(), "An errno with its meaning, a status, or words."),
        ("errors_count", count(), "How often."),
        ("latency", figures(), "How long it took until it failed."),
    ]
}

fn surroundings() -> Vec<Field> {
    vec![
        ("own_cpu_user_us", count(), "CPU time of our threads in user mode."),
        ("own_cpu_system_us", count(), "CPU time of our threads in the kernel."),
        ("busiest_thread_cpu_us", count(), "CPU time of the busiest thread."),
        ("steal_us", maybe(count()), "CPU time that a hypervisor gave to others. null: unknown."),
        ("retransmits_count", maybe(count()), "TCP segments that were sent again meanwhile. null: unknown."),
        ("syn_retransmits_count", maybe(count()), "Requests for connections among them. null: unknown."),
        ("peak_memory_bytes", maybe(count()), "The most memory that we had. null: unknown."),
    ]
}

fn probe() -> Vec<Field> {
    vec![
        ("type", is("probe"), "The kind of line."),
        ("rate_asked_per_s", number(), "The rate that was tried."),
        ("holds", flag(), "Whether the goal held, the result is valid and the rate was kept."),
        ("fails_because", texts(), "Why not, in sentences."),
    ]
}

fn found() -> Vec<Field> {
    vec![
        ("type", is("found"), "The kind of line."),
        ("goal", text(), "What had to hold."),
        ("holds_at_per_s", maybe(number()), "The highest rate that held. null: none did."),
        ("fails_at_per_s", maybe(number()), "The lowest rate that failed. null: none did."),
        ("probes_count", count(), "How many rates were tried."),
        ("is_whole", flag(), "Whether the search came to its end."),
    ]
}
