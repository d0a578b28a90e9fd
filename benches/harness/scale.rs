//! How the time grows with the number of skills.

use crate::measure::{Side, in_turns};
use crate::options::Options;
use crate::rows::{Kept, clone_and_copy, installed, searched};
use crate::table::{Table, circumstances};
use crate::world::{Road, World, count};

/// Milliseconds of each command with 1, 10 … 10,000 skills.
pub(crate) fn run(world: &World, options: &Options) {
    let place = world.file_system();
    let about = circumstances(&place);
    let heading = [
        "skills",
        "clone + cp",
        "install --all",
        "a skill",
        "install 1",
        "list",
        "verify",
        "outdated",
        "search",
        "MiB install",
    ];
    let name = if place == "tmpfs" { "scale" } else { "scale-disk" };
    let mut table = Table::new(name, &about, &heading);
    for n in [1, 10, 100, 1_000, 10_000] {
        if !options.wants(&count(n)) {
            continue;
        }
        let repo = world.synthetic(n);
        let rounds = options.rounds.unwrap_or(if n < 1_000 { 10 } else { 3 });
        let road = if world.url(&repo, Road::Replay).is_some() { Road::Replay } else { Road::File };
        let url = world.url(&repo, road).unwrap();
        let one = &repo.made.folders[n / 2];
        let install = |words: &[&str]| {
            let words = [&["skill", "install", url.as_str(), "--yes"], words].concat();
            let fresh = || {
                world.fresh("ours");
            };
            Side { prepare: Box::new(fresh), ..Side::plain("ours", vec![world.ours("ours", &words)]) }
        };
        let sides = [clone_and_copy(world, &url, &repo.made.folders), install(&["--all"])];
        let taken = in_turns(&sides, rounds, &world.home());
        let ms = |taken: &Result<crate::measure::Taken, String>| match taken {
            Ok(taken) => format!("{:.1}", taken.ms()),
            Err(message) => {
                eprintln!("{message}");
                "fails".to_owned()
            }
        };
        let mut cells = vec![count(n)];
        cells.extend(taken.iter().map(ms));
        cells.push(taken[1].as_ref().map_or("–".to_owned(), |t| format!("{:.3}", t.ms() / n as f64)));
        cells.push(ms(&in_turns(&[install(&["--skill", one])], rounds.max(5), &world.home())[0]));
        installed(world, &repo, road);
        for verb in ["list", "verify", "outdated"] {
            if !world.has(&["skill", verb], &[]) {
                cells.push("not yet".to_owned());
                continue;
            }
            let side = [Side::plain("ours", vec![world.ours("read", &["skill", verb])])];
            cells.push(ms(&in_turns(&side, rounds.max(5), &world.home())[0]));
        }
        cells.push(match searched(world, n, Kept::Repository, "entry-7") {
            Ok(side) => ms(&in_turns(&[side], rounds.max(5), &world.home())[0]),
            Err(_) => "not yet".to_owned(),
        });
        cells.push(taken[1].as_ref().map_or("–".to_owned(), |t| format!("{:.0}", t.peak as f64 / 1024.0)));
        table.row(&cells);
    }
    let goals = ["goal", "–", "–", "0.3", "–", "40", "–", "60", "30", "160"];
    table.row(&goals.map(str::to_owned));
    if options.writes() {
        table.write();
    }
}
