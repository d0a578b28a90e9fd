//! Hostile and ambiguous tar and tar.gz files.

use super::Expect::{self, Accept, Refuse, SkillRefused};
use super::tar_build::*;
use super::{Case, SCRIPT, SKILL};

fn case(id: &'static str, what: &'static str, bytes: Vec<u8>, expect: Expect) -> Case {
    Case { id, what, name: "x.tar.gz", bytes, expect }
}

fn skill() -> T {
    file("skill/SKILL.md", SKILL)
}

/// A skill and these entries.
fn with(entries: impl IntoIterator<Item = T>) -> Vec<u8> {
    tgz(&[skill()].into_iter().chain(entries).collect::<Vec<_>>())
}

fn named(name: impl AsRef<[u8]>) -> Vec<u8> {
    with([file(name, SCRIPT)])
}

fn sized(size: &[u8], entry: T) -> T {
    T { size: Some(size.to_vec()), ..entry }
}

pub(super) fn cases() -> Vec<Case> {
    [names(), links(), types(), paxes(), longs(), sizes(), ends(), limits()].into_iter().flatten().collect()
}

fn names() -> Vec<Case> {
    let hidden = "contains control or invisible characters";
    let one = "are one name on some file systems";
    vec![
        case("t01", "a name with ..", named("../evil"), Refuse("leads out of the folder")),
        case("t01b", "an inner ..", named("skill/../../evil"), Refuse("leads out of the folder")),
        case("t01c", ".. behind ./", named("./../evil"), Refuse("leads out of the folder")),
        case(
            "t01d",
            "a prefix that leads out",
            with([T { prefix: b"..".to_vec(), ..file("evil", b"") }]),
            Refuse("leads out of the folder"),
        ),
        case("t02", "an absolute name", named("/etc/evil"), Refuse("is absolute")),
        case("t02b", "a drive", named("C:/evil"), Refuse("begins with a drive letter")),
        case("t02c", "a backslash", named("..\\evil"), Refuse("contains a backslash")),
        case("t02d", "an absolute name behind ./", named(".//etc/evil"), Refuse("is absolute")),
        case("t14", "a name twice", named("skill/SKILL.md"), Refuse("is listed twice")),
        case("t14b", "a name twice, once with ./", named("./skill/SKILL.md"), Refuse("is listed twice")),
        case(
            "t14c",
            "a folder twice",
            with([folder("skill/a/"), folder("skill/a")]),
            Refuse("is listed twice"),
        ),
        case("t15", "names that differ in case", named("skill/Skill.md"), SkillRefused(one)),
        case("t22", "an escape sequence", named("skill/\x1b]0;x\x07"), Refuse(hidden)),
        case("t22b", "not UTF-8", named(b"skill/\xff"), Refuse("is not UTF-8")),
        case("t23", "reordered and invisible text", named("skill/\u{2066}a\u{200b}"), Refuse(hidden)),
        case("t24", "a device of Windows", named("skill/aux.md"), SkillRefused("a device name")),
        case("t24b", "a question mark", named("skill/what?"), SkillRefused("does not allow")),
        case(
            "t31",
            "a file and a folder",
            with([file("skill/a", b""), folder("skill/a/")]),
            Refuse("is a file and a folder"),
        ),
        case(
            "t31b",
            "a file with files below",
            with([file("skill/a/b", b""), file("skill/a", b"")]),
            Refuse("is a file and a folder"),
        ),
        case("t37", "a hook for git", named(".git/hooks/post-checkout"), Refuse("spells `.git`")),
        case("t37b", ".git as NTFS reads it", named("skill/.git. /config"), Refuse("spells `.git`")),
        case("t61", "a part that is a dot", named("skill/./a"), Refuse("has a `.` part")),
        case("t62", "a file named as a folder", named("skill/a/"), Refuse("has an empty part")),
        case("t62b", "no name", named(""), Refuse("is empty")),
        case("t62c", "the top as a file", named("./"), Refuse("is empty")),
    ]
}

fn links() -> Vec<Case> {
    let leaves = "leaves the skill";
    let both = "is a file and a folder";
    let hard = |target: &str| with([T { target: target.into(), ..of(b'1', "skill/h") }]);
    vec![
        case("t03", "a link out", with([link("skill/l", b"../../../etc/passwd")]), SkillRefused(leaves)),
        case(
            "t04",
            "a file written through a link",
            with([link("skill/l", b"/tmp"), file("skill/l/evil", SCRIPT)]),
            Refuse(both),
        ),
        case("t05", "a hard link out", hard("/etc/passwd"), SkillRefused("is a hard link")),
        case("t06", "a hard link inside", hard("skill/SKILL.md"), SkillRefused("is a hard link")),
        case(
            "t07",
            "a hard link to a link",
            with([link("skill/l", b"/etc/passwd"), T { target: b"skill/l".to_vec(), ..of(b'1', "skill/h") }]),
            SkillRefused("is a hard link"),
        ),
        case(
            "t12",
            "a link target replaced by pax",
            with([pax(&[("linkpath", "/etc/passwd")]), link("skill/l", b"SKILL.md")]),
            SkillRefused(leaves),
        ),
        case(
            "t18",
            "a chain of links out",
            with([link("skill/a", b"b/x"), link("skill/b", b"..")]),
            SkillRefused("link"),
        ),
        case(
            "t19",
            "a folder over a link",
            with([link("skill/l", b"/tmp"), folder("skill/l/")]),
            Refuse(both),
        ),
        case(
            "t32",
            "a pax name that goes through a link",
            with([link("skill/l", b".."), pax(&[("path", "skill/l/evil")]), file("skill/x", SCRIPT)]),
            Refuse(both),
        ),
        case(
            "t35",
            "a link and a file of one name",
            with([link("skill/l", b"/etc/passwd"), file("skill/l", SCRIPT)]),
            Refuse("is listed twice"),
        ),
        case(
            "t35b",
            "a long link out",
            with([long(b'K', format!("/{}\0", "a".repeat(200)).as_bytes()), gnu(link("skill/l", b"x"))]),
            SkillRefused(leaves),
        ),
        case(
            "t35c",
            "a link without a target",
            with([link("skill/l", b"")]),
            SkillRefused("target is empty"),
        ),
        case("t35d", "a link that is not UTF-8", with([link("skill/l", b"\xff")]), SkillRefused("not UTF-8")),
        case(
            "t43",
            "a link with bytes",
            with([T { data: b"x".to_vec(), ..link("skill/l", b"SKILL.md") }]),
            Refuse("has bytes, but is not a regular file"),
        ),
        case(
            "t56",
            "a hard link with bytes",
            with([T { data: b"x".to_vec(), target: b"skill/SKILL.md".to_vec(), ..of(b'1', "skill/h") }]),
            Refuse("has bytes, but is not a regular file"),
        ),
    ]
}

fn types() -> Vec<Case> {
    let one = |kind| with([of(kind, "skill/x")]);
    let run = |mode| with([T { mode, ..file("skill/run.sh", SCRIPT) }]);
    let xattr = pax(&[("SCHILY.xattr.user.x", "y"), ("mtime", "-1.5"), ("uid", "0"), ("uname", "root")]);
    vec![
        case("t08", "a character device", one(b'3'), SkillRefused("is a device")),
        case("t08b", "a block device", one(b'4'), SkillRefused("is a device")),
        case("t09", "a pipe", one(b'6'), SkillRefused("is a named pipe")),
        case("t16", "setuid, setgid", run(0o6755), Accept(&["100644 skill/SKILL.md", "100755 skill/run.sh"])),
        case("t16b", "mode 0000", run(0), Accept(&["100644 skill/SKILL.md", "100644 skill/run.sh"])),
        case(
            "t33",
            "owner, attributes, old times",
            with([xattr, T { owner: b"root".to_vec(), ..file("skill/run.sh", SCRIPT) }]),
            Accept(&["100644 skill/SKILL.md", "100644 skill/run.sh"]),
        ),
        case("t36", "an unknown type", one(b'Z'), Refuse("is of the unknown type `Z`")),
        case("t36b", "a type that is no letter", one(0xff), Refuse("is of the unknown type `\\xff`")),
        case("t36c", "a volume label", one(b'V'), Refuse("is of the unknown type `V`")),
        case("t36d", "a rest of another volume", one(b'M'), Refuse("is of the unknown type `M`")),
        case("t36e", "a contiguous file", one(b'7'), Refuse("is of the unknown type `7`")),
        case("t36f", "a header of Solaris", one(b'X'), Refuse("is of the unknown type `X`")),
        case(
            "t41",
            "a sparse file of GNU",
            with([gnu(T { kind: b'S', ..file("skill/x", SCRIPT) })]),
            Refuse("is a sparse file"),
        ),
        case(
            "t45",
            "an archive inside, which stays closed",
            with([file("skill/x.tgz", &named("../evil"))]),
            Accept(&["100644 skill/SKILL.md", "100644 skill/x.tgz"]),
        ),
        case(
            "t38",
            "a wrong checksum",
            with([T { wrong_checksum: true, ..file("skill/a", b"") }]),
            Refuse("a header in it is damaged"),
        ),
        case(
            "t60",
            "an unknown magic",
            with([T { magic: Magic::Other, ..file("skill/a", b"") }]),
            Refuse("has a header of an unknown format"),
        ),
    ]
}

fn paxes() -> Vec<Case> {
    let run = || file("skill/run.sh", SCRIPT);
    let old = |entry| T { magic: Magic::V7, ..entry };
    let ahead = |records: &[(&str, &str)]| with([pax(records), run()]);
    let raw = |data: &[u8]| with([T { kind: b'x', ..file("PaxHeaders/x", data) }, run()]);
    let twice = "has the pax key `path` twice";
    let sizes = "has two different sizes";
    vec![
        case(
            "t10",
            "a pax name that leads out",
            ahead(&[("path", "../evil")]),
            Refuse("leads out of the folder"),
        ),
        case("t10b", "a pax name with NUL", ahead(&[("path", "skill/a\0b")]), Refuse("contains control")),
        case("t10c", "an empty pax name", ahead(&[("path", "")]), Refuse("is empty")),
        case("t11", "another size by pax", ahead(&[("size", "0")]), Refuse(sizes)),
        case(
            "t11b",
            "a size by pax that is no number",
            ahead(&[("size", "-1")]),
            Refuse("has a size that is not a number"),
        ),
        case(
            "t20",
            "a name for every entry",
            with([global(&[("path", "skill/evil")]), run()]),
            Refuse("changes `path` of every entry"),
        ),
        case(
            "t21",
            "two names in one pax header",
            ahead(&[("path", "skill/good"), ("path", "skill/evil")]),
            Refuse(twice),
        ),
        case(
            "t34",
            "a size for every entry",
            with([global(&[("size", "0")]), run()]),
            Refuse("changes `size` of every entry"),
        ),
        case(
            "t34b",
            "a target for every link",
            with([global(&[("linkpath", "/etc")]), run()]),
            Refuse("changes `linkpath` of every entry"),
        ),
        case(
            "t42",
            "a sparse file by pax",
            ahead(&[("GNU.sparse.major", "1"), ("GNU.sparse.name", "skill/evil")]),
            Refuse("is a sparse file"),
        ),
        case(
            "t42b",
            "a sparse file of star",
            ahead(&[("SCHILY.realsize", "99")]),
            Refuse("is a sparse file"),
        ),
        case(
            "t46",
            "a record longer than its header",
            raw(b"99 path=evil\n"),
            Refuse("has a broken pax header"),
        ),
        case("t46b", "a record without a line feed", raw(b"9 path=a!"), Refuse("has a broken pax header")),
        case("t46c", "zeros behind the records", raw(b"9 path=a\n\0\0"), Refuse("has a broken pax header")),
        case("t48", "a size that hides entries", desynchronised(), Refuse(sizes)),
        case(
            "t51",
            "a pax name and a GNU name",
            with([pax(&[("path", "skill/a")]), long(b'L', b"skill/b\0"), run()]),
            Refuse("has two long names"),
        ),
        case(
            "t51b",
            "a pax target and a GNU target",
            with([pax(&[("linkpath", "a")]), long(b'K', b"b\0"), link("skill/l", b"")]),
            Refuse("has two long targets"),
        ),
        case("t57", "an unknown key", ahead(&[("evil", "x")]), Refuse("has the unknown pax key `evil`")),
        case(
            "t57b",
            "an unknown character set",
            ahead(&[("hdrcharset", "UTF-7")]),
            Refuse("has the unknown pax key `hdrcharset`"),
        ),
        case(
            "t57c",
            "an unknown key with an escape sequence",
            ahead(&[("e\x1b[2J", "x")]),
            Refuse("unknown pax key `e\\u{1b}[2J`"),
        ),
        case(
            "t58",
            "two pax headers",
            with([pax(&[("path", "skill/a")]), pax(&[("mtime", "1")]), run()]),
            Refuse("follows another pax header"),
        ),
        case(
            "t68",
            "a pax header in the format before POSIX",
            with([old(pax(&[("path", "skill/a")])), run()]),
            Refuse("in a format that has no such headers"),
        ),
        case(
            "t68b",
            "a global pax header in the format before POSIX",
            with([old(global(&[("comment", "x")])), run()]),
            Refuse("in a format that has no such headers"),
        ),
        case(
            "t68c",
            "a GNU long name in the format before POSIX",
            with([old(long(b'L', b"skill/a\0")), run()]),
            Refuse("in a format that has no such headers"),
        ),
        case(
            "t73",
            "a pax header at the end",
            with([pax(&[("path", "skill/a")])]),
            Refuse("no entry follows"),
        ),
    ]
}

/// TARmageddon: pax says 1,024 bytes, the header none. Who believes pax takes the next
/// entry for bytes, who does not takes it for an entry.
fn desynchronised() -> Vec<u8> {
    with([pax(&[("size", "1024")]), file("skill/a", b""), file("skill/evil", &[b'x'; 512])])
}

fn longs() -> Vec<Case> {
    let before = |name: &[u8]| with([long(b'L', name), gnu(file("skill/x", SCRIPT))]);
    vec![
        case(
            "t13",
            "a GNU long name that leads out",
            before(b"skill/../../evil\0"),
            Refuse("leads out of the folder"),
        ),
        case("t40", "a GNU long name of 4,097 bytes", before(&[b'a'; 4_097]), Refuse("the limit is 4096")),
        case(
            "t40b",
            "a GNU long link of 4,097 bytes",
            with([long(b'K', &[b'a'; 4_097]), gnu(link("skill/l", b"x"))]),
            Refuse("the limit is 4096"),
        ),
        case(
            "t40c",
            "a GNU long name that says it has gigabytes",
            with([sized(b"77777777777", long(b'L', b"a"))]),
            Refuse("the limit is 4096"),
        ),
        case(
            "t47",
            "two GNU long names",
            with([long(b'L', b"skill/a\0"), long(b'L', b"skill/b\0"), gnu(file("x", b""))]),
            Refuse("follows another long name"),
        ),
        case(
            "t47b",
            "two GNU long links",
            with([long(b'K', b"a\0"), long(b'K', b"b\0"), gnu(link("skill/l", b""))]),
            Refuse("follows another long link"),
        ),
        case(
            "t50",
            "a GNU long name with NUL inside",
            before(b"skill/a\0../../evil\0"),
            Refuse("NUL inside"),
        ),
        case("t50b", "a GNU long name of nothing", before(b"\0"), Refuse("is empty")),
        case(
            "t52",
            "a GNU long name at the end",
            with([long(b'L', b"skill/a\0")]),
            Refuse("no entry follows"),
        ),
    ]
}

fn sizes() -> Vec<Case> {
    let octal = "has a size that is not an octal number";
    let run = |size: &[u8]| with([sized(size, file("skill/run.sh", SCRIPT))]);
    vec![
        case("t54", "a binary size", run(&[0x80, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 20]), Refuse(octal)),
        case("t54b", "a negative size", run(&[0xff; 12]), Refuse(octal)),
        case("t54c", "a size with a sign", run(b"-0000000024"), Refuse(octal)),
        case("t54d", "a decimal size", run(b"00000000029"), Refuse(octal)),
        case("t54e", "two numbers", run(b"24 00000001\0"), Refuse(octal)),
        case(
            "t55",
            "a folder with bytes",
            with([T { data: b"x".to_vec(), ..folder("skill/d/") }]),
            Refuse("has bytes, but is not a regular file"),
        ),
        case(
            "t55b",
            "a pipe with bytes",
            with([T { data: b"x".to_vec(), ..of(b'6', "skill/p") }]),
            Refuse("has bytes, but is not a regular file"),
        ),
        case("t59", "a size of gigabytes", run(b"77777777777\0"), Refuse("the limit for a file is 65536")),
        case(
            "t66",
            "a pax header of gigabytes",
            with([sized(b"77777777777\0", pax(&[("path", "a")]))]),
            Refuse("the limit is 1048576"),
        ),
    ]
}

fn ends() -> Vec<Case> {
    let whole = tar(&[skill()]);
    let zipped = gz(&whole);
    let follow = "bytes follow its end";
    let second = "bytes or a second gzip member follow its end";
    let damaged = |from_end: usize| {
        let mut bytes = gz(&whole);
        let at = bytes.len() - from_end;
        bytes[at] ^= 1;
        bytes
    };
    let mut odd_flags = gz(&whole);
    odd_flags[3] |= 0b1110_0000;
    vec![
        case("t25", "cut off", zipped[..zipped.len() / 2].to_vec(), Refuse("it is cut off")),
        case("t25b", "cut off in a file, gzip whole", gz(&whole[..600]), Refuse("it is cut off")),
        case("t25c", "cut off in the checksum", zipped[..zipped.len() - 3].to_vec(), Refuse("it is cut off")),
        case("t26", "bytes behind the end", gz(&[&whole[..], b"hidden"].concat()), Refuse(follow)),
        case(
            "t26b",
            "an archive behind the end",
            gz(&[&whole[..], &tar(&[file("skill/evil", SCRIPT)])].concat()),
            Refuse(follow),
        ),
        case("t27", "no end", gz(&endless(&[skill()])), Refuse("it is cut off")),
        case(
            "t28",
            "two gzip members",
            [gz(&endless(&[skill()])), gz(&tar(&[file("skill/evil", SCRIPT)]))].concat(),
            Refuse("it is cut off"),
        ),
        case(
            "t28b",
            "a second gzip member behind a whole one",
            [&zipped[..], &zipped].concat(),
            Refuse(second),
        ),
        case("t29", "bytes behind gzip", [&zipped[..], b"hidden"].concat(), Refuse(second)),
        case("t29b", "zeros behind gzip", [&zipped[..], &[0; 512]].concat(), Refuse(second)),
        case(
            "t30",
            "a MiB of zeros behind the end",
            gz(&[&whole[..], &[0; (1 << 20) + 2048]].concat()),
            Refuse("zeros follow its end"),
        ),
        case("t49", "a wrong checksum of gzip", damaged(8), Refuse("it is damaged")),
        case("t49b", "a wrong size of gzip", damaged(4), Refuse("it is damaged")),
        case(
            "t53",
            "one end block",
            gz(&[endless(&[skill()]), vec![0; 512]].concat()),
            Refuse("ends without two empty blocks"),
        ),
        case(
            "t53b",
            "an entry between the end blocks",
            gz(&[endless(&[skill()]), vec![0; 512], tar(&[file("skill/evil", b"")])].concat()),
            Refuse(follow),
        ),
        case("t67", "flags of gzip that are reserved", odd_flags, Refuse("it is damaged")),
        case(
            "t44",
            "a name in the gzip header",
            gz_named("../../evil.tar", &whole),
            Accept(&["100644 skill/SKILL.md"]),
        ),
    ]
}

fn limits() -> Vec<Case> {
    let many = (0..300).map(|n| file(format!("skill/{n}"), b""));
    let big: Vec<_> = (0..5).map(|n| file(format!("skill/{n}"), &[0; 60_000])).collect();
    let paxes = (0..301).map(|_| global(&[("comment", "x")]));
    let clutter = (0..5).map(|n| file(format!("skill/._{n}"), &[0; 60_000]));
    let metas =
        (0..9).flat_map(|n| [pax(&[("comment", &"x".repeat(40_000))]), file(format!("skill/{n}"), b"")]);
    vec![
        case(
            "t17",
            "a file that unpacks to more",
            with([file("skill/bomb", &[0; 65_537])]),
            Refuse("the limit for a file is 65536"),
        ),
        case(
            "t17b",
            "files that unpack to more together",
            with(big),
            Refuse("it unpacks to more than 262144 bytes"),
        ),
        case(
            "t17c",
            "left-out files count too",
            with(clutter),
            Refuse("it unpacks to more than 262144 bytes"),
        ),
        case("t17d", "pax headers count too", with(metas), Refuse("it unpacks to more than 262144 bytes")),
        case("t39", "301 entries", with(many), Refuse("it has more than 300 entries")),
        case("t39b", "301 global headers", with(paxes), Refuse("it has more than 300 entries")),
        case(
            "t75",
            "33 folders",
            named(format!("{}x", "d/".repeat(33))),
            Refuse("is more than 32 folders deep"),
        ),
        case(
            "t75b",
            "a part of 256 bytes",
            with([pax(&[("path", &"a".repeat(256))]), file("a", b"")]),
            Refuse("longer than 255 bytes"),
        ),
    ]
}
