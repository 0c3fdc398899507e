//! Object identifiers in numbers and, where this project meets them, in words.

/// Names from the modules MHSProtocolObjectIdentifiers, IPMSObjectIdentifiers, Reliable-Transfer-APDU and
/// X.227.
const NAMES: &[(&str, &str)] = &[
    ("2.1.1", "basic-encoding"),
    ("2.2.1.0.1", "id-as-acse"),
    ("2.6.0.1.6", "id-ac-mts-transfer"),
    ("2.6.0.2.7", "id-as-mtse"),
    ("2.6.0.2.8", "id-as-mts-rtse"),
    ("2.6.0.2.12", "id-as-mta-rtse"),
    ("2.6.1.4.0", "id-et-ia5-text"),
    ("2.6.1.4.2", "id-et-g3-facsimile"),
    ("2.6.1.4.3", "id-et-g4-class1"),
    ("2.6.1.4.4", "id-et-teletex"),
    ("2.6.1.4.5", "id-et-videotex"),
    ("2.6.1.4.6", "id-et-encrypted"),
    ("2.6.1.4.7", "id-et-message"),
    ("2.6.1.4.8", "id-et-mixed-mode"),
    ("2.6.1.4.9", "id-et-bilaterally-defined"),
    ("2.6.1.4.10", "id-et-nationally-defined"),
    ("2.6.1.4.11", "id-et-general-text"),
    ("2.6.1.4.12", "id-et-file-transfer"),
    ("2.6.1.4.14", "id-et-report"),
    ("2.6.1.4.15", "id-et-notification"),
    ("2.6.1.4.16", "id-et-voice"),
    ("2.6.1.5.0", "id-hex-incomplete-copy"),
    ("2.6.1.5.1", "id-hex-languages"),
    ("2.6.1.5.2", "id-hex-auto-submitted"),
    ("2.6.1.11.0", "id-ep-ia5-text"),
    ("2.6.1.11.11", "id-ep-general-text"),
    ("2.6.1.11.12", "id-ep-file-transfer"),
    ("2.6.1.12.0", "id-eit-file-transfer"),
    ("2.6.1.12.1", "id-eit-voice"),
];

/// Most subidentifiers that are shown.
const ARC_COUNT_MAX: usize = 64;

/// The identifier of these content octets (X.690 8.19), with its name; `None` when they are none.
pub(super) fn text(content: &[u8]) -> Option<String> {
    let numbers = numbers(content)?;
    Some(match NAMES.iter().find(|(known, _)| *known == numbers) {
        Some((_, name)) => format!("{numbers} ({name})"),
        None => numbers,
    })
}

/// The numbers of these content octets, with points; `None` when they are none.
pub(super) fn numbers(content: &[u8]) -> Option<String> {
    Some(arcs(content)?.iter().map(u64::to_string).collect::<Vec<_>>().join("."))
}

fn arcs(content: &[u8]) -> Option<Vec<u64>> {
    let mut arcs = Vec::new();
    let mut arc = 0_u64;
    for octet in content {
        arc = arc.checked_mul(128)? | u64::from(octet & 0x7f);
        if octet & 0x80 == 0 {
            match arcs.is_empty() {
                true => arcs.extend([(arc / 40).min(2), arc - (arc / 40).min(2) * 40]),
                false => arcs.push(arc),
            }
            arc = 0;
        }
        if arcs.len() > ARC_COUNT_MAX {
            return None;
        }
    }
    let ended = content.last().is_some_and(|octet| octet & 0x80 == 0);
    ended.then_some(arcs)
}

#[cfg(test)]
mod tests {
    use super::text;

    #[test]
    fn identifiers_are_numbers_and_words() {
        assert_eq!(text(&[0x56, 0, 1, 6]).unwrap(), "2.6.0.1.6 (id-ac-mts-transfer)");
        assert_eq!(text(&[0x88, 0x37, 3]).unwrap(), "2.999.3");
        assert_eq!(text(&[0x2a, 0x86, 0x48]).unwrap(), "1.2.840");
        assert_eq!((text(&[]), text(&[0x56, 0x80]), text(&[0xff; 12])), (None, None, None));
    }
}
