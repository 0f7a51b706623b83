use std::fmt::Write;

/// Bytes of the longest name; with an extension it stays below the 255 of common file systems.
const LONGEST: usize = 200;

/// A name, safe on any file system, for the file of the thing with this id: what is not in
/// `[A-Za-z0-9_.-]` is percent-encoded, as is a leading dot. One that grows longer than 200 bytes is
/// cut, and ends in `~` and a hash of the id. Different ids have different names.
#[must_use]
pub fn file_name(id: &str) -> String {
    if id.is_empty() {
        return "~".to_owned();
    }
    let mut name = String::with_capacity(id.len());
    for byte in id.bytes() {
        if byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-') || (byte == b'.' && !name.is_empty()) {
            name.push(char::from(byte));
        } else {
            // writing to a String does not fail
            let _ = write!(name, "%{byte:02X}");
        }
    }
    if name.len() > LONGEST {
        let hash = format!("~{:016x}", fnv1a(id));
        name.truncate(LONGEST - hash.len());
        name.push_str(&hash);
    }
    name
}

/// The 64-bit FNV-1a hash: the same on every machine and in every release.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, file_name};
    use proptest::prelude::*;

    #[test]
    fn an_ordinary_session_id_is_its_own_name() {
        assert_eq!(
            file_name("EnableStudents_6715f621e1eb083bfa9b56cc"),
            "EnableStudents_6715f621e1eb083bfa9b56cc"
        );
    }

    #[test]
    fn an_id_cannot_leave_its_folder() {
        assert_eq!(file_name("../../etc/passwd"), "%2E.%2F..%2Fetc%2Fpasswd");
        assert_eq!(file_name(".."), "%2E.");
        assert_eq!(file_name("."), "%2E");
        assert_eq!(file_name("c:\\x y"), "c%3A%5Cx%20y");
        assert_eq!(file_name("रवि"), "%E0%A4%B0%E0%A4%B5%E0%A4%BF");
    }

    #[test]
    fn ids_that_differ_at_the_end_of_a_long_text_keep_apart() {
        let (one, other) = (format!("{}1", "x".repeat(500)), format!("{}2", "x".repeat(500)));
        assert_eq!(file_name(&one).len(), LONGEST);
        assert_ne!(file_name(&one), file_name(&other));
    }

    proptest! {
        #[test]
        fn every_name_is_safe_and_bounded(id in any::<String>()) {
            let name = file_name(&id);
            prop_assert!((1..=LONGEST).contains(&name.len()));
            prop_assert!(!name.starts_with('.'));
            let safe = |byte: u8| byte.is_ascii_alphanumeric() || b"_-.%~".contains(&byte);
            prop_assert!(name.bytes().all(safe));
        }

        #[test]
        fn different_ids_have_different_names(one in "[./% a~रA-]{0,90}", other in "[./% a~रA-]{0,90}") {
            prop_assert_eq!(one == other, file_name(&one) == file_name(&other));
        }
    }
}
