//! Sizes, short: `12B`, `1.2K`, `34M`.

/// The size in the largest binary unit that leaves at least 1, with two digits at least.
pub fn short(bytes: u64) -> String {
    if bytes < 1024 {
        return format!("{bytes}B");
    }
    let mut unit = 0;
    let mut scaled = bytes as f64 / 1024.0;
    while scaled >= 1023.5 && unit < 4 {
        scaled /= 1024.0;
        unit += 1;
    }
    let letter = ['K', 'M', 'G', 'T', 'P'][unit];
    if scaled < 9.95 { format!("{scaled:.1}{letter}") } else { format!("{scaled:.0}{letter}") }
}

/// A count with its noun: `1 line`, `2 lines`.
pub fn count(number: u64, noun: &str) -> String {
    if number == 1 { format!("1 {noun}") } else { format!("{number} {noun}s") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_size_takes_the_largest_unit() {
        let sizes = [(0, "0B"), (1023, "1023B"), (1024, "1.0K"), (10189, "10K"), (1 << 20, "1.0M")];
        for (bytes, text) in sizes {
            assert_eq!(short(bytes), text);
        }
        assert_eq!(short((1 << 20) - 1), "1.0M");
    }
}
