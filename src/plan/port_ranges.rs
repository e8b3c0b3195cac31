//! Lists of ports, as the kernel writes them.

/// `8016,15000-15002` as ranges in order, those that touch made one. What is no port is left out.
pub fn port_ranges(list: &str) -> Vec<(u16, u16)> {
    let range = |part: &str| {
        let (first, last) = part.trim().split_once('-').unwrap_or((part.trim(), part.trim()));
        Some((first.parse().ok()?, last.parse().ok()?))
    };
    let mut found: Vec<(u16, u16)> = list.split([',', ' ']).filter_map(range).collect();
    found.sort_unstable();
    let mut joined: Vec<(u16, u16)> = Vec::new();
    for (first, last) in found {
        match joined.last_mut() {
            Some((_, end)) if first <= end.saturating_add(1) => *end = last.max(*end),
            _ => joined.push((first, last)),
        }
    }
    joined
}
