use std::fmt::Write;
use std::path::Path;
use std::{fs, io};

/// The longest name in bytes; with an extension the name stays below the 255 bytes of common file systems.
const LONGEST: usize = 200;

/// A file name for an id that is safe on any file system.
///
/// Characters outside `[A-Za-z0-9_.-]` and a leading dot are percent-encoded. A name with a capital letter ends in `~`
/// and a short hash of the id. A name longer than 200 bytes is cut and ends in `~` and a hash of the id. Different ids
/// get different names, even on a disk that ignores case.
#[must_use]
pub fn file_name(id: &str) -> String {
    let name = encoded(id);
    let name = if id.bytes().any(|byte| byte.is_ascii_uppercase()) {
        format!("{name}~{:08x}", short_hash(id))
    } else {
        name
    };
    bounded(name, id)
}

/// The file name of earlier releases, where it differs: names with capitals had no hash.
fn former_file_name(id: &str) -> Option<String> {
    let former = bounded(encoded(id), id);
    (former != file_name(id)).then_some(former)
}

/// Removes the file that an earlier release wrote for the id, so that the folder has one file for each id. `extension`
/// has no dot.
///
/// # Errors
/// Where the folder cannot be read or the file cannot be removed.
pub fn remove_former(folder: &Path, id: &str, extension: &str) -> io::Result<()> {
    let Some(former) = former_file_name(id) else { return Ok(()) };
    let name = format!("{former}.{extension}");
    let path = folder.join(&name);
    if !path.try_exists()? {
        return Ok(());
    }
    // a disk that ignores case may open another id's file: compare with the exact name in the folder
    for entry in fs::read_dir(folder)? {
        if entry?.file_name() == name.as_str() {
            return fs::remove_file(&path);
        }
    }
    Ok(())
}

fn encoded(id: &str) -> String {
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
    name
}

fn bounded(mut name: String, id: &str) -> String {
    if name.len() > LONGEST {
        let hash = format!("~{:016x}", fnv1a(id));
        name.truncate(LONGEST - hash.len());
        name.push_str(&hash);
    }
    name
}

/// Both halves of the hash: the case of a letter does not change the lowest bits of one.
fn short_hash(id: &str) -> u32 {
    let hash = fnv1a(id);
    u32::try_from((hash >> 32) ^ (hash & 0xffff_ffff)).unwrap_or_default()
}

/// The 64-bit FNV-1a hash: the same on every machine and in every release.
fn fnv1a(text: &str) -> u64 {
    text.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use super::{LONGEST, file_name, former_file_name, remove_former};
    use proptest::prelude::*;

    #[test]
    fn ordinary_session_id_stays_readable() {
        let names =
            ["EnableStudents_6715f621e1eb083bfa9b56cc", "enable_6715f621e1eb083bfa9b56cc"].map(file_name);
        assert_eq!(
            names,
            ["EnableStudents_6715f621e1eb083bfa9b56cc~b5dc9373", "enable_6715f621e1eb083bfa9b56cc"]
        );
    }

    #[test]
    fn former_file_is_removed_and_no_other() {
        let folder = tempfile::tempdir().unwrap();
        for name in ["A_b.html", "A_b.txt", "a_b.html"] {
            std::fs::write(folder.path().join(name), "").unwrap();
        }
        assert_eq!(former_file_name("a_b"), None);
        for id in ["A_b", "A_b", "a_b", "A_B"] {
            remove_former(folder.path(), id, "html").unwrap();
        }
        let mut left: Vec<_> =
            std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
        left.sort();
        assert_eq!(left, ["A_b.txt", "a_b.html"]);
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
    fn long_ids_with_different_ends_get_different_names() {
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
            let lower = |id: &str| file_name(id).to_ascii_lowercase();
            prop_assert_eq!(one == other, lower(&one) == lower(&other));
        }

        #[test]
        fn ids_different_in_case_get_different_names(id in "[A-Za-z_]{1,40}", changes in any::<u64>()) {
            let change = |(at, byte): (usize, u8)| {
                if changes >> at & 1 == 1 { byte ^ (u8::from(byte.is_ascii_alphabetic()) << 5) } else { byte }
            };
            let other: String = id.bytes().enumerate().map(change).map(char::from).collect();
            let lower = |id: &str| file_name(id).to_ascii_lowercase();
            prop_assert_eq!(id == other, lower(&id) == lower(&other));
        }
    }
}
