//! Sums as lines for people.

use crate::event::{Sum, SumVerdict};

/// One line for each sum, aligned, what does not fit first, and what to do below it.
pub fn text(sums: &[Sum]) -> Vec<String> {
    let mut ordered: Vec<&Sum> = sums.iter().collect();
    ordered.sort_by_key(|sum| std::cmp::Reverse(sum.verdict));
    let width = sums.iter().map(|sum| sum.machine.chars().count()).max().unwrap_or(0);
    let mut lines = Vec::new();
    for sum in ordered {
        let begin = format!("{:width$}  {:<8}  ", sum.machine, word(sum.verdict));
        lines.push(format!("{begin}{}: {}", sum.code.replace('-', " "), sum.text));
        if let Some(hint) = &sum.hint {
            lines.push(format!("{:indent$}(hint: {hint})", "", indent = begin.chars().count()));
        }
    }
    lines
}

fn word(verdict: SumVerdict) -> &'static str {
    match verdict {
        SumVerdict::Fits => "fits",
        SumVerdict::Doubtful => "doubtful",
        SumVerdict::Refused => "refused",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_does_not_fit_comes_first_with_what_to_do() {
        let sum = |machine: &str, verdict, hint: Option<&str>| Sum {
            code: "even-connections".to_owned(),
            machine: machine.to_owned(),
            text: "1 = 1".to_owned(),
            verdict,
            hint: hint.map(str::to_owned),
        };
        let sums = [
            sum("server", SumVerdict::Fits, None),
            sum("pc", SumVerdict::Doubtful, None),
            sum("server", SumVerdict::Refused, Some("do this")),
        ];
        assert_eq!(
            text(&sums),
            [
                "server  refused   even connections: 1 = 1",
                "                  (hint: do this)",
                "pc      doubtful  even connections: 1 = 1",
                "server  fits      even connections: 1 = 1",
            ]
        );
        assert_eq!(text(&[]), Vec::<String>::new());
    }
}
