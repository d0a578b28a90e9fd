//! The pure parts, one by one, so that a regression is seen where it is made.

use std::hint::black_box;
use std::time::{Duration, Instant};

use crate::options::Options;
use crate::parts;
use crate::repos::{self, Layout, Skill};
use crate::table::{Table, circumstances};

/// How long one sample takes at least, and how many there are.
const SAMPLE: Duration = Duration::from_millis(20);
const SAMPLES: usize = 15;

pub(crate) fn run(options: &Options) {
    let heading = ["part", "input", "µs", "before", "rate"];
    let mut table = Table::new("pure", &circumstances("in memory"), &heading);
    let skills: Vec<Skill> = repos::skills(1_000, Layout::Authors).collect();
    let mut row = |part: &str, input: String, took: Duration, bytes: usize| {
        let us = took.as_secs_f64() * 1e6;
        let rate = if bytes == 0 { "–".to_owned() } else { format!("{:.0} MB/s", bytes as f64 / us) };
        let before = table.before(&[part, &input], 2).unwrap_or_else(|| "–".to_owned());
        let digits = if us < 100.0 { 1 } else { 0 };
        table.row(&[part.to_owned(), input, format!("{us:.digits$}"), before, rate]);
    };

    let manifests: Vec<&[u8]> = skills.iter().map(|skill| &skill.files[0].1[..]).collect();
    let bytes: usize = manifests.iter().map(|text| text.len()).sum();
    let took = time(|| (), |()| manifests.iter().map(|text| parts::read_manifest(text)).sum());
    row("read a manifest", format!("1,000 manifests, {} KB", bytes / 1_000), took, bytes);

    let files = all_files(&skills);
    let bytes: usize = files.iter().map(|(_, bytes)| bytes.len()).sum();
    let took = time(|| (), |()| files.iter().map(|(_, bytes)| parts::check_text(bytes)).sum());
    row("check_text", format!("{} files, {} KB", files.len(), bytes / 1_000), took, bytes);
    let took = time(|| (), |()| parts::digest(&files).len());
    row("digest", format!("{} files, {} KB", files.len(), bytes / 1_000), took, bytes);

    let names: Vec<_> = skills
        .iter()
        .enumerate()
        .map(|(i, skill)| (parts::folder(&skill.folder), format!("n{}", i * 7 / 8)))
        .collect();
    row("name_all", "1,000 skills, 250 clashes".to_owned(), time(|| (), |()| parts::name_all(&names)), 0);

    let gathered = parts::Skills::of(&files);
    let took = time(|| (), |()| gathered.check_portable());
    row("check_portable", format!("{} paths", files.len()), took, 0);
    for (part, again) in [("plan, first time", false), ("plan, nothing changed", true)] {
        let took = time(|| gathered.wanted(), |wanted| gathered.plan(wanted, again));
        row(part, "1,000 skills".to_owned(), took, 0);
    }
    let text = gathered.registry_text();
    let took = time(|| (), |()| parts::list(&text));
    row("registry to rows", format!("1,000 skills, {} KB", text.len() / 1_000), took, text.len());
    let took = time(|| (), |()| gathered.registry_text().len());
    row("registry to text", format!("1,000 skills, {} KB", text.len() / 1_000), took, text.len());
    let described: Vec<(String, String)> = skills
        .iter()
        .map(|skill| {
            let text = String::from_utf8_lossy(&skill.files[0].1).chars().take(300).collect();
            (skill.folder.clone(), text)
        })
        .collect();
    for query in ["entry", "extract tabels from pdf"] {
        let took = time(|| (), |()| parts::search(&described, query));
        row("search", format!("1,000 documents, `{query}`"), took, 0);
    }
    if options.writes() {
        table.write();
    }
}

fn all_files(skills: &[Skill]) -> Vec<(String, Vec<u8>)> {
    let files = skills.iter().flat_map(|skill| {
        skill.files.iter().map(|(path, bytes, _)| (format!("{}/{path}", skill.folder), bytes.clone()))
    });
    files.collect()
}

/// The median of one call of `work`; what `prepare` makes for it is not timed.
fn time<T>(prepare: impl Fn() -> T, work: impl Fn(T) -> usize) -> Duration {
    let start = Instant::now();
    black_box(work(prepare()));
    let calls = (SAMPLE.as_nanos() / start.elapsed().as_nanos().max(1)).clamp(1, 10_000) as u32;
    let mut samples: Vec<Duration> = (0..SAMPLES)
        .map(|_| {
            let inputs: Vec<T> = (0..calls).map(|_| prepare()).collect();
            let start = Instant::now();
            for input in inputs {
                black_box(work(black_box(input)));
            }
            start.elapsed() / calls
        })
        .collect();
    samples.sort();
    samples[SAMPLES / 2]
}
