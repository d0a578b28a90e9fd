//! Skills as archives, made for a test.

use std::io::Write as _;

use flate2::{Compression, GzBuilder};

/// A skill of that name, with a text in it that makes its bytes its own.
pub(crate) fn archive(name: &str, text: &str) -> Vec<u8> {
    let manifest =
        format!("---\nname: {name}\ndescription: Extracts tables from files, {text}.\n---\n\n{text}\n");
    archive_of(&[("SKILL.md", manifest.as_bytes())])
}

/// An archive of these files, plainly.
pub(crate) fn archive_of(files: &[(&str, &[u8])]) -> Vec<u8> {
    let gzip = GzBuilder::new().mtime(0).operating_system(255).write(Vec::new(), Compression::best());
    let mut tar = tar::Builder::new(gzip);
    for (path, bytes) in files {
        let mut header = tar::Header::new_gnu();
        header.set_mode(0o644);
        header.set_size(bytes.len() as u64);
        header.set_entry_type(tar::EntryType::Regular);
        tar.append_data(&mut header, path, *bytes).unwrap();
    }
    tar.into_inner().unwrap().finish().unwrap()
}

/// Bytes, packed.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzBuilder::new().write(Vec::new(), Compression::best());
    gzip.write_all(bytes).unwrap();
    gzip.finish().unwrap()
}
