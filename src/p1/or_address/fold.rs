//! Folding of attribute characters: what does not count when names are compared.

/// The octets with ASCII letters in lower case, without leading and trailing spaces, and with one space
/// for several.
pub fn folded(octets: &[u8]) -> impl Iterator<Item = u8> + '_ {
    let mut rest = octets.trim_ascii_start();
    std::iter::from_fn(move || {
        let (&first, tail) = rest.split_first()?;
        if first != b' ' {
            rest = tail;
            return Some(first.to_ascii_lowercase());
        }
        let next = tail.iter().position(|octet| *octet != b' ');
        rest = next.map_or(&[][..], |next| &tail[next..]);
        next.map(|_| b' ')
    })
}

/// Whether two attributes name the same.
#[inline]
pub fn folded_eq(left: &[u8], right: &[u8]) -> bool {
    let mut pairs = left.iter().zip(right);
    let equal_count = pairs.position(|(left, right)| !left.eq_ignore_ascii_case(right));
    let equal_count = equal_count.unwrap_or(left.len().min(right.len()));
    match (left.get(equal_count), right.get(equal_count)) {
        (None, None) => true,
        // So far all is equal: what comes next decides, unless it is a space, which may not count.
        (Some(left), Some(right)) if *left != b' ' && *right != b' ' => false,
        _ => folded(left).eq(folded(right)),
    }
}

/// Appends the folded octets to `out`.
pub fn fold_into(octets: &[u8], out: &mut Vec<u8>) {
    out.extend(folded(octets));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn folds_case_and_spaces() {
        for (octets, expected) in [
            (&b"Acme"[..], &b"acme"[..]),
            (b"  One   Two ", b"one two"),
            (b" ", b""),
            (b"", b""),
            (b"a ", b"a"),
            (b"\xc8U", b"\xc8u"),
        ] {
            let mut out = Vec::new();
            fold_into(octets, &mut out);
            assert_eq!(out, expected);
            assert!(folded_eq(octets, expected));
        }
        assert!(!folded_eq(b"onetwo", b"one two"));
        assert!(!folded_eq(b"one", b"two"));
        assert!(!folded_eq(b"one", b"one two"));
        assert!(folded_eq(b"One two ", b"oNE  Two"));
    }
}
