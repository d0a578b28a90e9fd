//! Cases, and the laws that hold for any set of skills.

use std::convert::Infallible;

use super::*;
use proptest::prelude::*;

/// What is published: name, version and needs as `name range`.
type Universe = BTreeMap<String, BTreeMap<Version, Vec<(String, Option<VersionReq>)>>>;

fn version(text: &str) -> Version {
    text.parse().unwrap()
}

fn universe(rows: &[(&str, &str, &[&str])]) -> Universe {
    let mut all = Universe::new();
    for (name, at, needs) in rows {
        let needs = needs.iter().map(|need| match need.split_once(' ') {
            Some((name, range)) => (name.to_owned(), Some(range.parse().unwrap())),
            None => ((*need).to_owned(), None),
        });
        all.entry((*name).to_owned()).or_default().insert(version(at), needs.collect());
    }
    all
}

fn choice(name: &str, at: &Version, needs: &[(String, Option<VersionReq>)]) -> ChosenVersion {
    let needs = needs.iter().map(|(needed, range)| {
        let (by_version, place) = (Some(at.to_string()), "SKILL.md:1".to_owned());
        (needed.clone(), Requirement { by: name.to_owned(), by_version, range: range.clone(), place })
    });
    ChosenVersion { version: Some(at.clone()), needs: needs.collect() }
}

fn resolve(all: &Universe, roots: &[&str]) -> Resolution {
    let highest = |name: &str| {
        let (at, needs) = all[name].last_key_value().unwrap();
        (name.to_owned(), choice(name, at, needs))
    };
    let mut offer = |asked: &[(&str, &[Requirement])]| -> Result<Vec<Answer>, Infallible> {
        let answer = |(name, requirements): &(&str, &[Requirement])| {
            let Some(versions) = all.get(*name) else { return Answer::Missing };
            match highest_version(versions.keys(), requirements) {
                Some(at) => Answer::Chosen(choice(name, at, &versions[at])),
                None => Answer::Excluded(versions.keys().cloned().collect()),
            }
        };
        Ok(asked.iter().map(answer).collect())
    };
    resolve_skills(roots.iter().map(|name| highest(name)).collect(), &mut offer).unwrap()
}

/// `name version` of each, then what is missing and what is in conflict.
fn told(resolution: &Resolution) -> Vec<String> {
    let chosen =
        resolution.chosen.iter().map(|(name, one)| format!("{name} {}", one.version.as_ref().unwrap()));
    let missing = resolution.missing.keys().map(|name| format!("missing {name}"));
    let conflicts = resolution.conflicts.iter().map(|one| {
        let by: Vec<_> = one.requirements.iter().map(|one| one.by.as_str()).collect();
        format!("conflict {} of {}", one.name, by.join(" "))
    });
    chosen.chain(missing).chain(conflicts).collect()
}

#[test]
fn the_highest_version_that_all_will_do_with_is_taken() {
    let charts: &[(&str, &str, &[&str])] = &[
        ("charts", "1.2.0", &[]),
        ("charts", "1.4.1", &[]),
        ("charts", "2.0.0", &[]),
        ("charts", "2.1.0-rc.1", &[]),
    ];
    for (rows, roots, expected) in [
        (&[("a", "1.0.0", &["charts"][..])][..], &["a"][..], &["a 1.0.0", "charts 2.0.0"][..]),
        (&[("a", "1.0.0", &["charts ^1.2"])], &["a"], &["a 1.0.0", "charts 1.4.1"]),
        (&[("a", "1.0.0", &["charts >=2.1.0-rc.0"])], &["a"], &["a 1.0.0", "charts 2.1.0-rc.1"]),
        (
            &[("a", "1.0.0", &["charts ^1"]), ("b", "1.0.0", &["charts <1.4"])],
            &["a", "b"],
            &["a 1.0.0", "b 1.0.0", "charts 1.2.0"],
        ),
        (
            &[("a", "1.0.0", &["charts ^1"]), ("b", "1.0.0", &["charts >=2"])],
            &["a", "b"],
            &["a 1.0.0", "b 1.0.0", "conflict charts of a b"],
        ),
        (&[("a", "1.0.0", &["gone"])], &["a"], &["a 1.0.0", "missing gone"]),
        // Found late: `b` wants less than what `a` alone would have got.
        (
            &[("a", "1.0.0", &["charts", "b"]), ("b", "3.0.0", &["charts ^1"])],
            &["a"],
            &["a 1.0.0", "b 3.0.0", "charts 1.4.1"],
        ),
        // What was asked for stays as it was asked for.
        (
            &[("a", "1.0.0", &["charts ^1"])],
            &["a", "charts"],
            &["a 1.0.0", "charts 2.1.0-rc.1", "conflict charts of a"],
        ),
        (&[("a", "1.0.0", &["b"]), ("b", "1.0.0", &["a"])], &["a"], &["a 1.0.0", "b 1.0.0"]),
    ] {
        let all = universe(&[rows, charts].concat());
        assert_eq!(told(&resolve(&all, roots)), expected, "{rows:?}");
    }
}

/// `b` 2 needs a `c` that needs `b` 1, and `b` 1 needs one that needs `b` 2.
#[test]
fn a_name_that_comes_back_to_a_version_is_a_conflict() {
    let all = universe(&[
        ("a", "1.0.0", &["b"]),
        ("b", "1.0.0", &["d"]),
        ("b", "2.0.0", &["c"]),
        ("c", "1.0.0", &["b ^1"]),
        ("d", "1.0.0", &["b ^2"]),
    ]);
    let resolution = resolve(&all, &["a"]);
    assert_eq!(resolution.conflicts.len(), 1, "{resolution:?}");
    assert_eq!(resolution.conflicts[0].name, "b");
}

/// `b` 2 cannot do with what was asked for; `b` 1, which comes instead, does not need it.
#[test]
fn a_conflict_goes_with_the_version_that_made_it() {
    let all = universe(&[
        ("a", "1.0.0", &["b", "c"]),
        ("b", "1.0.0", &[]),
        ("b", "2.0.0", &["a ^9"]),
        ("c", "1.0.0", &["b ^1"]),
    ]);
    assert_eq!(told(&resolve(&all, &["a"])), ["a 1.0.0", "b 1.0.0", "c 1.0.0"]);
}

/// What an abandoned version needed is needed no more.
#[test]
fn what_is_needed_no_more_is_left_out() {
    let all = universe(&[
        ("a", "1.0.0", &["b", "z"]),
        ("b", "1.0.0", &[]),
        ("b", "2.0.0", &["old"]),
        ("old", "1.0.0", &["older", "gone"]),
        ("older", "1.0.0", &[]),
        ("z", "1.0.0", &["y"]),
        ("y", "1.0.0", &["b ^1"]),
    ]);
    assert_eq!(told(&resolve(&all, &["a"])), ["a 1.0.0", "b 1.0.0", "y 1.0.0", "z 1.0.0"]);
}

#[test]
fn a_skill_without_a_version_is_in_no_range() {
    let with_range = |range: Option<&str>| Requirement {
        by: "a".into(),
        by_version: None,
        range: range.map(|text| text.parse().unwrap()),
        place: String::new(),
    };
    assert!(is_in_all_ranges(None, &[with_range(None)]));
    assert!(!is_in_all_ranges(None, &[with_range(Some("*"))]));
    assert!(is_in_all_ranges(Some(&version("1.2.3")), &[with_range(Some("^1")), with_range(None)]));
}

fn arrange(rows: &[(&str, &[&str])]) -> (String, Vec<String>) {
    let needs: BTreeMap<&str, Vec<&str>> = rows.iter().map(|(name, needs)| (*name, needs.to_vec())).collect();
    let arranged = arrange_skills(&needs);
    (arranged.order.join(" "), arranged.cycles.iter().map(|cycle| cycle.join(" ")).collect())
}

#[test]
fn what_is_needed_comes_first_and_circles_are_named() {
    for (rows, order, cycles) in [
        (&[("a", &["b"][..]), ("b", &["c"]), ("c", &[])][..], "c b a", &[][..]),
        (&[("b", &[]), ("a", &[]), ("c", &["a"])], "a b c", &[]),
        (&[("a", &["b"]), ("b", &["a"])], "a b", &["a b a"]),
        (&[("a", &["a"])], "a", &[]),
        (&[("a", &["gone"])], "a", &[]),
        (
            &[("d", &["b"]), ("a", &["b"]), ("b", &["c"]), ("c", &["a"]), ("z", &[])],
            "a b c d z",
            &["a b c a"],
        ),
        (&[("a", &["b"]), ("b", &["a"]), ("c", &["d"]), ("d", &["c", "a"])], "a b c d", &["a b a", "c d c"]),
    ] {
        let (told, circles) = arrange(rows);
        assert_eq!(told, order, "{rows:?}");
        assert_eq!(circles, cycles, "{rows:?}");
    }
}

/// No depth of the chain is one of the stack.
#[test]
fn a_chain_of_ten_thousand_is_arranged_and_resolved() {
    let names: Vec<String> = (0..10_000).map(|n| format!("s{n:05}")).collect();
    let mut needs: BTreeMap<&str, Vec<&str>> =
        names.windows(2).map(|pair| (pair[0].as_str(), vec![pair[1].as_str()])).collect();
    needs.insert(&names[9_999], Vec::new());
    let arranged = arrange_skills(&needs);
    assert_eq!((arranged.order[0].as_str(), arranged.order.len()), ("s09999", 10_000));
    needs.insert(&names[9_999], vec![&names[0]]);
    assert_eq!(arrange_skills(&needs).cycles[0].len(), 10_001);
    let rows = names.windows(2).map(|pair| {
        let needs = vec![(pair[1].clone(), None)];
        (pair[0].clone(), BTreeMap::from([(version("1.0.0"), needs)]))
    });
    assert_eq!(resolve(&rows.collect(), &["s00000"]).chosen.len(), 9_999);
}

/// As many as the largest public repositories have. The bound is generous: it is there to see what
/// grows with the square of the number.
#[test]
fn thousands_of_skills_are_resolved_in_no_time() {
    let mut all = Universe::new();
    for n in 0..2_400_u32 {
        let needs = (1..4).map(|k| (format!("s{}", (n * 7 + k * 131) % 2_400), Some("^1".parse().unwrap())));
        all.insert(format!("s{n}"), BTreeMap::from([(version("1.3.0"), needs.collect())]));
    }
    let roots: Vec<String> = (0..2_400).step_by(3).map(|n| format!("s{n}")).collect();
    let roots: Vec<&str> = roots.iter().map(String::as_str).collect();
    let resolution = resolve(&all, &roots);
    assert!(resolution.conflicts.is_empty() && resolution.missing.is_empty());
    let needs: BTreeMap<&str, Vec<&str>> = resolution
        .chosen
        .iter()
        .map(|(name, one)| (name.as_str(), one.needs.iter().map(|(name, _)| name.as_str()).collect()))
        .collect();
    assert_eq!(arrange_skills(&needs).order.len(), resolution.chosen.len());
}

fn any_universe() -> impl Strategy<Value = Universe> {
    let range = prop_oneof![
        Just(None),
        (1..4_u64).prop_map(|n| Some(format!("^{n}").parse().unwrap())),
        (1..4_u64).prop_map(|n| Some(format!(">={n}").parse().unwrap())),
        (1..4_u64).prop_map(|n| Some(format!("<{n}.1").parse().unwrap())),
    ];
    let needs = proptest::collection::vec(("[a-g]", range), 0..3);
    let at = (1..4_u64, 0..2_u64).prop_map(|(major, minor)| Version::new(major, minor, 0));
    let versions = proptest::collection::btree_map(at, needs, 1..4);
    proptest::collection::btree_map("[a-f]", versions, 1..6)
}

proptest! {
    #[test]
    fn every_range_holds_or_a_conflict_is_told(all in any_universe()) {
        let root = all.keys().next().unwrap().clone();
        let resolution = resolve(&all, &[&root]);
        prop_assert_eq!(&resolution, &resolve(&all, &[&root]), "the same input gives the same");
        let refused: BTreeSet<&str> = resolution.conflicts.iter().map(|one| one.name.as_str()).collect();
        for (name, one) in &resolution.chosen {
            for (needed, requirement) in &one.needs {
                if resolution.missing.contains_key(needed) {
                    prop_assert!(!all.contains_key(needed));
                } else if !refused.contains(needed.as_str()) {
                    let got = &resolution.chosen[needed];
                    prop_assert!(is_in_all_ranges(got.version.as_ref(), std::slice::from_ref(requirement)), "{} {:?}", name, requirement);
                    prop_assert!(all[needed].contains_key(got.version.as_ref().unwrap()));
                }
            }
        }
        for one in &resolution.conflicts {
            prop_assert!(!one.requirements.is_empty(), "{:?}", one);
        }
    }

    #[test]
    fn needed_skills_come_first_outside_of_circles(
        rows in proptest::collection::btree_map("[a-h]", proptest::collection::vec("[a-j]", 0..4), 1..8),
    ) {
        let needs: BTreeMap<&str, Vec<&str>> =
            rows.iter().map(|(name, needs)| (name.as_str(), needs.iter().map(String::as_str).collect())).collect();
        let arranged = arrange_skills(&needs);
        let mut sorted = arranged.order.clone();
        sorted.sort();
        prop_assert_eq!(sorted, rows.keys().cloned().collect::<Vec<_>>());
        let at = |name: &str| arranged.order.iter().position(|one| one == name);
        let reaches = |from: &str, to: &str| {
            let (mut seen, mut queue) = (BTreeSet::new(), vec![from.to_owned()]);
            while let Some(name) = queue.pop() {
                for next in rows.get(&name).into_iter().flatten() {
                    if next == to { return true; }
                    if seen.insert(next.clone()) { queue.push(next.clone()); }
                }
            }
            false
        };
        for (name, needed) in &rows {
            for needed in needed.iter().filter(|needed| rows.contains_key(*needed) && *needed != name) {
                if !reaches(needed, name) {
                    prop_assert!(at(needed) < at(name), "{} before {}: {:?}", needed, name, arranged);
                }
            }
        }
        for cycle in &arranged.cycles {
            prop_assert_eq!(cycle.first(), cycle.last());
            for pair in cycle.windows(2) {
                prop_assert!(rows[&pair[0]].contains(&pair[1]));
            }
        }
    }
}

#[test]
fn what_a_skill_needs_stands_in_the_order_of_need() {
    let check = |rows: &[(&str, &[&str])], expected: &[&str]| {
        let needs = rows.iter().map(|(name, needs)| {
            ((*name).to_owned(), needs.iter().map(|need| (*need).to_owned()).collect::<Vec<_>>())
        });
        assert_eq!(order_of_needs("a", &needs.collect()), expected);
    };
    check(&[], &[]);
    check(&[("a", &["c", "b"]), ("b", &["c"]), ("x", &["y"])], &["c", "b"]);
    check(&[("a", &["b", "gone"]), ("b", &["a"])], &["b", "gone"]);
    check(&[("a", &["a"])], &[]);
    // A chain as long as somebody who can write into the registry likes.
    let name = |at: usize| if at == 0 { "a".to_owned() } else { format!("n{at}") };
    let chain = (0..100_000).map(|at| (name(at), vec![name(at + 1)])).collect();
    let order = order_of_needs("a", &chain);
    assert_eq!((order.len(), order.first().cloned()), (100_000, Some(name(100_000))));
}
