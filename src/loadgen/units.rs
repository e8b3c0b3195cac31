//! Numbers as wrk writes them, so that what reads wrk's output finds the same here.

/// A time: `396.00us`, `1.24ms`, `2.00s`, `1.50m`, `1.00h`.
pub fn time(us: f64) -> String {
    let steps = [("us", 1e3), ("ms", 1e3), ("s", 60.0), ("m", 60.0)];
    let mut value = us;
    for (unit, next) in steps {
        // What would be written as a whole unit of the next one is one.
        if value < next - 0.005 {
            return format!("{value:.2}{unit}");
        }
        value /= next;
    }
    format!("{value:.2}h")
}

/// Bytes, in powers of 1024: `641.43KB`, `31.82MB`.
pub fn bytes(bytes: f64) -> String {
    let mut value = bytes;
    for unit in ["B", "KB", "MB", "GB", "TB"] {
        if value < 1_023.995 {
            return format!("{value:.2}{unit}");
        }
        value /= 1_024.0;
    }
    format!("{value:.2}PB")
}

/// A number, in powers of 1000: `104.36`, `5.34k`.
pub fn metric(number: f64) -> String {
    let mut value = number;
    for unit in ["", "k", "M"] {
        if value < 999.995 {
            return format!("{value:.2}{unit}");
        }
        value /= 1_000.0;
    }
    format!("{value:.2}G")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_look_as_wrk_writes_them() {
        let times = [0.0, 396.0, 999.999, 1_240.0, 105_350.0, 2e6, 90e6, 3_599.999e6, 7_200e6].map(time);
        assert_eq!(times, ["0.00us", "396.00us", "1.00ms", "1.24ms", "105.35ms", "2.00s", "1.50m", "1.00h", "2.00h"]);
        assert_eq!([0.0, 1_023.0, 656_824.0, 33_365_688.0].map(bytes), ["0.00B", "1023.00B", "641.43KB", "31.82MB"]);
        assert_eq!([104.36, 5_340.0, 1.2e7, 3e12].map(metric), ["104.36", "5.34k", "12.00M", "3000.00G"]);
    }
}
