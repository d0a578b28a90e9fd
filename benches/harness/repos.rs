//! Synthetic repositories: the same bytes on every machine, with the sizes that 4,578 real
//! skills have.

use std::io::Write as _;
use std::path::Path;

use git2::{Buf, Index, IndexEntry, IndexTime, Oid, Repository, RepositoryInitOptions, Signature, Time};

/// Share of the skills and the size that so many of them stay below; in between it grows
/// by a constant factor. From the measured percentiles p50, p90, p99 and the largest; the
/// point at 99.9 % keeps the mean where it was measured (30 KB a skill).
type Curve = &'static [(f64, f64)];
const FILES: Curve = &[(0.0, 1.0), (0.17, 1.4), (0.5, 3.0), (0.9, 10.0), (0.99, 35.0), (1.0, 101.0)];
const MANIFEST: Curve = &[(0.0, 400.0), (0.5, 3_838.0), (0.9, 12_240.0), (0.99, 29_265.0), (1.0, 100_000.0)];
const BYTES: Curve = &[
    (0.0, 400.0),
    (0.5, 10_349.0),
    (0.9, 57_323.0),
    (0.99, 299_298.0),
    (0.999, 1_000_000.0),
    (1.0, 5_554_003.0),
];
const DESCRIPTION: Curve = &[(0.0, 40.0), (0.5, 186.0), (0.9, 422.0), (0.99, 844.0), (1.0, 1_000.0)];

/// The size below which this share of all lies.
fn at(curve: Curve, share: f64) -> usize {
    let place = curve.iter().position(|(point, _)| *point >= share).unwrap_or(curve.len() - 1).max(1);
    let ((x0, y0), (x1, y1)) = (curve[place - 1], curve[place]);
    (y0 * (y1 / y0).powf((share - x0) / (x1 - x0))) as usize
}

/// Numbers that look random and are not: SplitMix64 (Steele, Lea, Flood, 2014).
#[derive(Clone)]
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    fn below(&mut self, bound: usize) -> usize {
        (self.next() % bound.max(1) as u64) as usize
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    /// `0..n` in a mixed order.
    fn shuffled(&mut self, n: usize) -> Vec<usize> {
        let mut all: Vec<usize> = (0..n).collect();
        for last in (1..n).rev() {
            all.swap(last, self.below(last + 1));
        }
        all
    }

    /// A word of a vocabulary of 2,000, low ones often, as in prose.
    fn word(&mut self) -> String {
        const PARTS: [&str; 20] = [
            "re", "con", "ta", "ment", "in", "er", "al", "ver", "pro", "sion", "de", "lu", "mi", "qua",
            "str", "on", "ex", "fi", "gra", "ble",
        ];
        let (a, b) = (self.below(2_000), self.below(2_000));
        let n = a * b / 2_000;
        let mut word = PARTS[n % 20].to_owned();
        word.push_str(PARTS[n / 20 % 20]);
        if n >= 400 {
            word.push_str(PARTS[n / 400]);
        }
        word
    }

    /// Prose of about so many bytes in one line.
    fn sentence(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 16);
        while text.len() < bytes {
            if !text.is_empty() {
                text.push(' ');
            }
            text.push_str(&self.word());
        }
        text.truncate(bytes.max(1));
        text.trim_end().to_owned()
    }

    /// Markdown of exactly so many bytes: headings, paragraphs, lists, code.
    fn markdown(&mut self, bytes: usize) -> String {
        let mut text = String::with_capacity(bytes + 128);
        while text.len() < bytes {
            let length = 30 + self.below(60);
            let line = self.sentence(length);
            match self.below(12) {
                0 => text.push_str(&format!("\n## {line}\n\n")),
                1 | 2 => text.push_str(&format!("- {line}\n")),
                3 => text.push_str(&format!("```bash\n{} --{}\n```\n", self.word(), self.word())),
                4 => text.push_str("\n\n"),
                _ => text.push_str(&format!("{line}\n")),
            }
        }
        text.truncate(bytes);
        text
    }
}

/// One skill: its folder in the repository, and its files.
pub(crate) struct Skill {
    pub(crate) folder: String,
    /// Path below the folder, bytes, the executable bit.
    pub(crate) files: Vec<(String, Vec<u8>, bool)>,
}

/// How the folders of a repository are laid out.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Layout {
    /// `skills/<name>/`.
    Flat,
    /// `skills/<author>/<name>/`; one frontmatter name in eight is another's too.
    Authors,
}

/// What a made repository holds.
#[derive(Debug, Clone)]
pub(crate) struct Made {
    /// Folders of the skills.
    pub(crate) folders: Vec<String>,
    pub(crate) files: usize,
    pub(crate) bytes: usize,
    pub(crate) pack: u64,
}

/// Makes a bare repository of `n` skills at `path`, one commit on `main`, in one pack.
pub(crate) fn make(path: &Path, n: usize, layout: Layout) -> Made {
    let options = &mut RepositoryInitOptions::new();
    let repo = Repository::init_opts(path, options.bare(true).initial_head("main").mkpath(true)).unwrap();
    // As the large hosts have it.
    repo.config().unwrap().set_bool("uploadpack.allowFilter", true).unwrap();
    repo.config().unwrap().set_bool("uploadpack.allowAnySHA1InWant", true).unwrap();
    let mut index = Index::new().unwrap();
    let mut made = Made { folders: Vec::new(), files: 0, bytes: 0, pack: 0 };
    packed(&repo, |repo| {
        for skill in skills(n, layout) {
            for (file, bytes, executable) in skill.files {
                made.files += 1;
                made.bytes += bytes.len();
                add(repo, &mut index, &format!("{}/{file}", skill.folder), &bytes, executable);
            }
            made.folders.push(skill.folder);
        }
        let mut numbers = Numbers(1);
        add(repo, &mut index, "README.md", numbers.markdown(6_000).as_bytes(), false);
        add(repo, &mut index, "LICENSE", numbers.markdown(1_070).as_bytes(), false);
        commit(repo, &mut index, 0);
    });
    let packs = std::fs::read_dir(path.join("objects/pack")).unwrap().flatten();
    made.pack = packs.map(|entry| entry.metadata().unwrap().len()).max().unwrap_or(0);
    made
}

/// Adds a commit that changes the manifests of the first `changed` skills.
pub(crate) fn change(path: &Path, made: &Made, changed: usize) {
    let repo = Repository::open_bare(path).unwrap();
    packed(&repo, |repo| {
        let mut index = Index::new().unwrap();
        let head = repo.head().unwrap().peel_to_commit().unwrap();
        index.read_tree(&head.tree().unwrap()).unwrap();
        for folder in &made.folders[..changed] {
            let file = format!("{folder}/SKILL.md");
            let id = index.get_path(Path::new(&file), 0).unwrap().id;
            let mut bytes = repo.find_blob(id).unwrap().content().to_vec();
            bytes.extend_from_slice(b"\nOne more line.\n");
            add(repo, &mut index, &file, &bytes, false);
        }
        commit(repo, &mut index, 1);
    });
}

/// Lets `fill` write objects into memory, then puts them into one pack with deltas, as a
/// host has them.
fn packed(repo: &Repository, fill: impl FnOnce(&Repository)) {
    let odb = repo.odb().unwrap();
    let memory = odb.add_new_mempack_backend(1_000).unwrap();
    fill(repo);
    let mut buffer = Buf::new();
    memory.dump(repo, &mut buffer).unwrap();
    memory.reset().unwrap();
    let mut writer = odb.packwriter().unwrap();
    writer.write_all(&buffer).unwrap();
    writer.commit().unwrap();
}

fn add(repo: &Repository, index: &mut Index, path: &str, bytes: &[u8], executable: bool) {
    let entry = IndexEntry {
        ctime: IndexTime::new(0, 0),
        mtime: IndexTime::new(0, 0),
        dev: 0,
        ino: 0,
        mode: if executable { 0o100_755 } else { 0o100_644 },
        uid: 0,
        gid: 0,
        file_size: bytes.len() as u32,
        id: repo.blob(bytes).unwrap(),
        flags: 0,
        flags_extended: 0,
        path: path.into(),
    };
    index.add(&entry).unwrap();
}

/// Makes a repository of a folder, all its files in one commit; the URL of that on this machine.
pub(crate) fn commit_folder(folder: &Path) -> String {
    let repo = Repository::init_opts(folder, RepositoryInitOptions::new().initial_head("main")).unwrap();
    let mut index = repo.index().unwrap();
    index.add_all(["*"], git2::IndexAddOption::DEFAULT, None).unwrap();
    commit(&repo, &mut index, 0);
    format!("file://{}", folder.display())
}

fn commit(repo: &Repository, index: &mut Index, number: i64) -> Oid {
    let tree = index.write_tree_to(repo).unwrap();
    let tree = repo.find_tree(tree).unwrap();
    let time = Time::new(1_767_323_045 + number, 0);
    let signature = Signature::new("Bench", "bench@example.org", &time).unwrap();
    let parent = repo.head().ok().and_then(|head| head.peel_to_commit().ok());
    let parents: Vec<_> = parent.iter().collect();
    repo.commit(Some("refs/heads/main"), &signature, &signature, "skills", &tree, &parents).unwrap()
}

/// The skills, one after the other: a size for each step of every curve, mixed, so that a
/// small repository has the distribution too.
pub(crate) fn skills(n: usize, layout: Layout) -> impl Iterator<Item = Skill> {
    let mut numbers = Numbers(n as u64);
    let share = move |step: usize| (step as f64 + 0.5) / n as f64;
    // The more files, the more bytes.
    let (size, manifest, description) = (numbers.shuffled(n), numbers.shuffled(n), numbers.shuffled(n));
    (0..n).map(move |i| {
        let mut numbers = Numbers(0x5eed ^ ((n as u64) << 32) ^ i as u64);
        let name = format!("{}-{}-{i}", numbers.word(), numbers.word());
        let folder = match layout {
            Layout::Flat => format!("skills/{name}"),
            Layout::Authors => format!("skills/{}{}/{name}", numbers.word(), i % 700),
        };
        let own_name = match (layout, i % 8) {
            (Layout::Authors, 7) => format!("shared-{}", i / 8 % (n / 20).max(1)),
            _ => name,
        };
        let count = at(FILES, share(size[i])).max(1);
        let text = at(DESCRIPTION, share(description[i]));
        let mut head = frontmatter(&own_name, &numbers.sentence(text), &mut numbers);
        let body = at(MANIFEST, share(manifest[i])).saturating_sub(head.len()).max(40);
        head.push_str(&numbers.markdown(body));
        let rest = at(BYTES, share(size[i])).saturating_sub(head.len());
        let mut files = vec![("SKILL.md".to_owned(), head.into_bytes(), false)];
        files.extend((1..count).map(|k| further(k, count, rest, &mut numbers)));
        Skill { folder, files }
    })
}

/// Keys in the shares that real skills have them.
fn frontmatter(name: &str, description: &str, numbers: &mut Numbers) -> String {
    let mut head = format!("---\nname: {name}\ndescription: {description}\n");
    if numbers.chance(20) {
        head.push_str("license: MIT\n");
    }
    if numbers.chance(12) {
        head.push_str(&format!("version: 1.{}.0\n", numbers.below(9)));
    }
    if numbers.chance(7) {
        head.push_str("allowed-tools: Read, Bash(git:*), Bash(mkdir *)\n");
    }
    if numbers.chance(25) {
        head.push_str("metadata: {\"bot\":{\"emoji\":\"x\",\"requires\":{\"bins\":[\"jq\",\"curl\"]}}}\n");
    }
    head + "---\n\n"
}

/// A file beside the manifest: references, scripts, data, now and then something binary.
fn further(k: usize, count: usize, rest: usize, numbers: &mut Numbers) -> (String, Vec<u8>, bool) {
    let size = (rest / (count - 1).max(1)).max(20);
    let size = size / 2 + numbers.below(size);
    let word = numbers.word();
    if numbers.chance(1) && numbers.chance(40) {
        let bytes = std::iter::repeat_with(|| numbers.next() as u8);
        return (format!("assets/{word}-{k}.bin"), [0].into_iter().chain(bytes).take(size).collect(), false);
    }
    let text = numbers.markdown(size);
    match k % 4 {
        1 if k == 1 => {
            ("_meta.json".to_owned(), format!("{{\"slug\":\"{word}\"}}\n{text}").into_bytes(), false)
        }
        2 => {
            let script = format!("#!/usr/bin/env python3\n{text}");
            (format!("scripts/{word}_{k}.py"), script.into_bytes(), numbers.chance(9))
        }
        3 => (format!("assets/{word}-{k}.txt"), text.into_bytes(), false),
        _ => (format!("references/{word}-{k}.md"), text.into_bytes(), false),
    }
}
