//! Extended headers (POSIX.1-2024, utility `pax`): records `LENGTH KEY=VALUE\n`.

use crate::shown;

/// What a pax header says of the entry behind it, as far as it matters here.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Pax {
    pub(super) path: Option<Vec<u8>>,
    pub(super) target: Option<Vec<u8>>,
    pub(super) size: Option<u64>,
}

/// Keys that change nothing of what is kept: times, owners, a remark.
const IGNORED: &[&str] = &["mtime", "atime", "ctime", "uid", "gid", "uname", "gname", "comment"];
/// Vendors whose keys are extended attributes, flags and the like.
const VENDORS: &[&str] = &["SCHILY.", "LIBARCHIVE.", "NODETAR."];
/// Keys of those vendors that change where the bytes of an entry end.
const SPARSE: &[&str] = &["SCHILY.realsize", "SCHILY.filetype", "SCHILY.offset"];

impl Pax {
    /// Reads the records. A key stands once at most; one that would change what the
    /// entry is, and is not known here, is an error: the reason, for after its name.
    ///
    /// # Errors
    /// A sentence for records that are broken, for sparse files and for unknown keys.
    pub(super) fn parse(data: &[u8]) -> Result<Self, String> {
        let mut pax = Self::default();
        for (key, value) in split_pax_records(data)? {
            match key {
                "path" => pax.path = Some(value.to_vec()),
                "linkpath" => pax.target = Some(value.to_vec()),
                "size" => {
                    pax.size = Some(parse_decimal_digits(value).ok_or("has a size that is not a number")?)
                }
                "hdrcharset" if matches!(value, b"ISO-IR 10646 2000 UTF-8" | b"BINARY") => {}
                _ if IGNORED.contains(&key) => {}
                _ if SPARSE.contains(&key) || !VENDORS.iter().any(|vendor| key.starts_with(vendor)) => {
                    return Err(refuse_unknown_pax_key(key));
                }
                _ => {}
            }
        }
        Ok(pax)
    }

    /// A global header may hold a remark alone, as git writes the commit there.
    ///
    /// # Errors
    /// A sentence for anything but a remark.
    pub(super) fn check_global(data: &[u8]) -> Result<(), String> {
        match split_pax_records(data)?.iter().find(|(key, _)| *key != "comment") {
            Some((key, _)) => Err(format!("changes `{}` of every entry", shown(key.as_bytes()))),
            None => Ok(()),
        }
    }
}

fn refuse_unknown_pax_key(key: &str) -> String {
    let shown = shown(key.as_bytes());
    if key.starts_with("GNU.sparse") || SPARSE.contains(&key) {
        return format!("is a sparse file (`{shown}`)");
    }
    format!("has the unknown pax key `{shown}`")
}

fn split_pax_records(mut data: &[u8]) -> Result<Vec<(&str, &[u8])>, String> {
    let mut records: Vec<(&str, &[u8])> = Vec::new();
    while !data.is_empty() {
        let (key, value, rest) = split_pax_record(data).ok_or("has a broken pax header")?;
        records.push((key, value));
        data = rest;
    }
    // Sorted by key, twins are neighbours.
    records.sort_by_key(|(key, _)| *key);
    let twins = records.iter().zip(records.iter().skip(1)).find(|((a, _), (b, _))| a == b);
    if let Some(((key, _), _)) = twins {
        return Err(format!("has the pax key `{}` twice", shown(key.as_bytes())));
    }
    Ok(records)
}

fn split_pax_record(data: &[u8]) -> Option<(&str, &[u8], &[u8])> {
    let space = data.iter().position(|b| *b == b' ')?;
    let length = usize::try_from(parse_decimal_digits(data.get(..space)?)?).ok()?;
    let (record, rest) = data.split_at_checked(length)?;
    let body = record.get(space + 1..)?.strip_suffix(b"\n")?;
    let equals = body.iter().position(|b| *b == b'=')?;
    let key = std::str::from_utf8(body.get(..equals)?).ok()?;
    (!key.is_empty()).then_some((key, body.get(equals + 1..)?, rest))
}

/// Digits alone, without a sign or leading zeros.
fn parse_decimal_digits(digits: &[u8]) -> Option<u64> {
    let plain = digits.iter().all(u8::is_ascii_digit) && (digits.len() == 1 || !digits.starts_with(b"0"));
    plain.then(|| std::str::from_utf8(digits).ok()?.parse().ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_read_or_refused() {
        for (data, expected) in [
            (&b""[..], Ok(Pax::default())),
            (b"9 path=a\n", Ok(Pax { path: Some(b"a".to_vec()), ..Pax::default() })),
            (b"13 path=a=\nb\n", Ok(Pax { path: Some(b"a=\nb".to_vec()), ..Pax::default() })),
            (b"10 size=12\n", Err("has a broken pax header")),
            (b"11 size=12\n", Ok(Pax { size: Some(12), ..Pax::default() })),
            (b"11 size=+2\n", Err("has a size that is not a number")),
            (b"11 size=02\n", Err("has a size that is not a number")),
            (b"9 size=\n", Err("has a broken pax header")),
            (b"8 size=\n", Err("has a size that is not a number")),
            (b"22 SCHILY.xattr.x=\0\xff\n\n", Ok(Pax::default())),
            (b"9 path=a\n9 path=b\n", Err("has the pax key `path` twice")),
            (b"9 path=a", Err("has a broken pax header")),
            (b"99 path=a\n", Err("has a broken pax header")),
            (b"09 path=a\n", Err("has a broken pax header")),
            (b"0 path=a\n", Err("has a broken pax header")),
            (b"3 \n", Err("has a broken pax header")),
            (b"4 =\n", Err("has a broken pax header")),
            (b"99999999999999999999 a=b\n", Err("has a broken pax header")),
            (b"22 GNU.sparse.major=1\n", Err("is a sparse file (`GNU.sparse.major`)")),
            (b"21 SCHILY.realsize=1\n", Err("is a sparse file (`SCHILY.realsize`)")),
            (b"9 evil=a\n", Err("has the unknown pax key `evil`")),
        ] {
            assert_eq!(Pax::parse(data), expected.map_err(str::to_owned), "{}", data.escape_ascii());
        }
        assert_eq!(Pax::check_global(b"12 comment=a\n"), Err("has a broken pax header".into()));
        assert_eq!(Pax::check_global(b"14 comment=a\n\n"), Ok(()));
        assert!(Pax::check_global(b"9 path=a\n").is_err());
    }
}
