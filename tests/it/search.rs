//! `skill search`: copies and installed skills, ranked; and never "nothing" for "not read".

use serde_json::{Value, json};

use crate::env::{TestEnv, commit, skill_md};
use ba_agent_test_support::server::Server;

/// Two marketplaces, one of skills in three languages, one catalogue of entries elsewhere.
fn library() -> TestEnv {
    let env = TestEnv::new();
    for (name, description) in [
        ("sql-analyzer", "Finds slow queries and says how to mend them."),
        ("pdf", "Fills forms. Converts tables to SQL on the way."),
        ("baobiao", "用于数据分析和报表生成的技能"),
        ("otchet", "Анализ данных и построение отчётов"),
        ("kensaku", "データベースの検索とデータ分析を行うスキル"),
    ] {
        env.write(&format!("plain/skills/{name}/SKILL.md"), skill_md(name, description));
    }
    let entry = json!([{ "name": "warehouse", "source": { "source": "github", "repo": "acme/warehouse" },
        "description": "Talks to databases", "keywords": ["sql"], "category": "data", "tags": ["etl"] }]);
    let catalogue = json!({ "name": "acme", "owner": { "name": "Acme" }, "plugins": entry });
    env.write("acme/.claude-plugin/marketplace.json", catalogue.to_string());
    env.run(&["marketplace", "add", "plain", "../plain"]).ends(0);
    env.run(&["marketplace", "add", "acme", "../acme"]).ends(0);
    env
}

fn search(env: &TestEnv, args: &[&str]) -> Value {
    env.run(&[&["skill", "search", "--json"], args].concat()).ends(0).json()
}

fn names(found: &Value) -> Vec<&str> {
    found["results"].as_array().unwrap().iter().map(|one| one["name"].as_str().unwrap()).collect()
}

#[test]
fn everything_is_searched_and_the_best_goes_first() {
    let env = library();
    let found = search(&env, &["sql"]);
    assert_eq!(names(&found), ["sql-analyzer", "warehouse", "pdf"]);
    assert_eq!(found["results"][0]["install"], "sql-analyzer@plain");
    let scores: Vec<f64> =
        found["results"].as_array().unwrap().iter().map(|one| one["score"].as_f64().unwrap()).collect();
    assert!(scores.is_sorted_by(|a, b| a >= b), "{scores:?}");
    // `数据` is `data`, too, and `データベース` a database.
    assert_eq!(names(&search(&env, &["数据"])), ["baobiao", "warehouse"]);
    assert_eq!(names(&search(&env, &["отчеты"])), ["otchet"]);
    assert_eq!(names(&search(&env, &["データベース"])), ["kensaku"]);
    assert_eq!(names(&search(&env, &["検索"])), ["kensaku"]);
    assert_eq!(names(&search(&env, &["analyser"]))[0], "sql-analyzer");
    assert_eq!(names(&search(&env, &["wareh"])), ["warehouse"]);
    assert_eq!(names(&search(&env, &["sql", "--limit", "1"])), ["sql-analyzer"]);
    assert_eq!(search(&env, &["sql", "--limit", "1"])["total"], 3);
}

#[test]
fn filters_narrow_and_may_stand_alone() {
    let env = library();
    assert_eq!(names(&search(&env, &["sql", "--marketplace", "acme"])), ["warehouse"]);
    assert_eq!(names(&search(&env, &["--tag", "ETL"])), ["warehouse"]);
    assert_eq!(names(&search(&env, &["--category", "data"])), ["warehouse"]);
    assert_eq!(names(&search(&env, &["sql", "--installed"])), [""; 0]);
    env.run(&["skill", "search", "sql", "--marketplace", "gone"]).ends(3).says("no marketplace named `gone`");
}

#[test]
fn installed_skills_are_found_without_any_marketplace() {
    let env = TestEnv::new();
    env.skill("src/pdf");
    env.run(&["skill", "install", "../src/pdf"]).ends(0);
    let found = search(&env, &["pdf"]);
    assert_eq!(names(&found), ["pdf"]);
    assert_eq!(
        (&found["results"][0]["installed"], &found["results"][0]["install"]),
        (&json!(true), &Value::Null)
    );
}

/// What is installed is marked wherever it is found, also where no marketplace led to it: by
/// where it is, and not by a name that others have as well.
#[test]
fn what_was_installed_from_its_repository_is_marked_in_a_marketplace() {
    let env = TestEnv::new();
    env.skill("src/skills/pdf");
    env.write("src/skills/word/SKILL.md", skill_md("docx", "Writes letters. Use it for letters."));
    env.git_repo("src.git", &env.path("src"));
    env.git_repo("fork.git", &env.path("src"));
    let url = |name: &str| format!("file://{}", env.path(name).display());
    let entry = json!([{ "name": "pdf", "source": { "source": "url", "url": url("src.git") }, "description": "Elsewhere" }]);
    let catalogue = json!({ "name": "acme", "owner": { "name": "Acme" }, "plugins": entry });
    env.write("acme/.claude-plugin/marketplace.json", catalogue.to_string());
    for (name, source) in [("src", url("src.git")), ("fork", url("fork.git")), ("acme", "../acme".into())] {
        env.run(&["marketplace", "add", name, &source]).ends(0);
    }
    env.run(&["skill", "install", &url("src.git"), "--skill", "pdf"]).ends(0);
    env.run(&["skill", "install", &url("src.git"), "--skill", "docx", "--as", "letters"]).ends(0);
    let marked = |env: &TestEnv, args: &[&str]| {
        let found = search(env, args);
        let results = found["results"].as_array().unwrap().clone();
        let one = |one: &Value| {
            let of = |key: &str| one[key].as_str().unwrap_or_default().to_owned();
            (of("name"), of("marketplace"), one["installed"] == true)
        };
        let copies = results.iter().flat_map(|row| row["copies"].as_array().cloned().unwrap_or_default());
        let mut all: Vec<_> = results.iter().map(one).chain(copies.map(|copy| one(&copy))).collect();
        all.sort();
        all
    };
    let row = |name: &str, marketplace: &str, installed| (name.to_owned(), marketplace.to_owned(), installed);
    let pdf = [row("pdf", "acme", true), row("pdf", "fork", false), row("pdf", "src", true)];
    assert_eq!(marked(&env, &["pdf"]), pdf);
    assert_eq!(marked(&env, &["letters"]), [row("docx", "fork", false), row("docx", "src", true)]);
    let own = [row("docx", "src", true), row("pdf", "acme", true), row("pdf", "src", true)];
    assert_eq!(marked(&env, &["--installed"]), own);
    // The same from a folder, and with an index and rows that have to be made anew.
    env.run(&["skill", "uninstall", "pdf", "letters"]).ends(0);
    env.run(&["marketplace", "remove", "src"]).ends(0);
    env.run(&["marketplace", "add", "here", "../src"]).ends(0);
    env.run(&["skill", "install", "../src/skills/pdf"]).ends(0);
    assert!(marked(&env, &["pdf"]).contains(&row("pdf", "here", true)));
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    assert_eq!(marked(&env, &["--installed"]), [row("pdf", "here", true)]);
}

#[test]
fn nothing_found_is_no_failure_and_not_read_is_no_nothing() {
    let env = library();
    assert_eq!(search(&env, &["xylophone"])["results"], json!([]));
    let run = env.run(&["skill", "search", "warehuose-x"]).ends(0);
    assert!(run.stdout.contains("warehouse") || run.stderr.contains("did you mean warehouse"), "{run:?}");
    env.run(&["skill", "search", "qqqq"]).ends(0).says("nothing was found");
    // Nothing to read: that is not "nothing found".
    std::fs::remove_dir_all(env.path("acme")).unwrap();
    let run =
        env.run(&["skill", "search", "warehouse"]).ends(3).says("the marketplace `acme` could not be read");
    assert!(!run.stderr.contains("note: nothing"), "{}", run.stderr);
    let found = search(&env, &["sql"]);
    assert_eq!((names(&found), &found["unread"][0]["name"]), (vec!["sql-analyzer", "pdf"], &json!("acme")));
}

#[test]
fn the_age_of_the_copies_is_said() {
    let mut env = library();
    env.git_repo("far.git", &env.path("plain"));
    env.run(&["marketplace", "add", "far", &format!("file://{}", env.path("far.git").display())]).ends(0);
    env.run(&["marketplace", "disable", "plain"]).ends(0);
    std::fs::remove_dir_all(env.path("far.git")).unwrap();
    env.set("SOURCE_DATE_EPOCH", "1767582245");
    env.run(&["skill", "search", "sql"]).ends(0).says("note: catalogues as of 3 days ago\n");
    let run = env.run(&["skill", "search", "sql", "--offline"]).ends(0);
    let run = run.says("offline; catalogues as of 3 days ago");
    assert!(!run.stderr.contains("acme"), "a folder is read as it stands: {}", run.stderr);
    assert!(run.stdout.starts_with("sql-analyzer\tsql-analyzer@far\t"), "{}", run.stdout);
    env.run(&["doctor"]).ends(0).says("catalogues as of 3 days ago");
    env.set("SOURCE_DATE_EPOCH", "1772247845");
    let old = "catalogues as of 57 days ago: `ba-agent marketplace update`";
    env.run(&["skill", "search", "sql"]).ends(0).says(old);
    env.run(&["doctor"]).ends(0).prints("the copies of catalogues are as of 57 days ago");
}

/// A home with the marketplace `far`, of which the cache has a copy in a recorded state.
fn far() -> TestEnv {
    let env = library();
    env.git_repo("far.git", &env.path("plain"));
    env.run(&["marketplace", "remove", "plain", "acme"]).ends(0);
    for folder in ["plain", "acme", "cache"] {
        std::fs::remove_dir_all(env.path(folder)).unwrap();
    }
    env.run(&["marketplace", "add", "far", &format!("file://{}", env.path("far.git").display())]).ends(0);
    env
}

/// The one file below a folder of the cache.
fn cached(env: &TestEnv, folder: &str) -> std::path::PathBuf {
    let below = std::fs::read_dir(env.path(&format!("cache/{folder}"))).unwrap();
    let mut files = below.flat_map(|folder| std::fs::read_dir(folder.unwrap().path()).unwrap());
    let file = files.next().unwrap().unwrap().path();
    assert!(files.next().is_none(), "one catalogue, one file");
    file
}

#[test]
fn an_index_that_is_gone_cut_old_or_damaged_is_made_anew() {
    let env = far();
    let ask = || search(&env, &["数据分析 tables", "--offline"]);
    assert!(cached(&env, "indexes").exists(), "it is there before the first search");
    let answer = ask();
    assert_eq!(names(&answer)[..3], ["baobiao", "pdf", "kensaku"]);
    let file = cached(&env, "indexes");
    let sound = std::fs::read(&file).unwrap();
    let mut broken = vec![Vec::new(), b"x".to_vec(), [&sound[..], b"x"].concat()];
    for at in [0, 8, 12, 20, 30, 60, sound.len() / 2, sound.len() - 1] {
        broken.push(sound[..at].to_vec());
        let mut bytes = sound.clone();
        bytes[at] ^= 0x40;
        broken.push(bytes);
    }
    // An earlier version, a later one, and a machine that writes its numbers the other way round.
    let version = |number: u32, sum: u32| {
        let (number, sum) = (number.to_le_bytes(), sum.to_le_bytes());
        [&sound[..8], &number[..], &sum[..], &sound[16..]].concat()
    };
    let word = |at: usize| u32::from_le_bytes(*sound[at..].first_chunk().unwrap());
    broken.extend([
        version(word(8) - 1, word(12)),
        version(word(8) + 1, word(12)),
        version(word(8).swap_bytes(), word(12)),
        version(word(8).swap_bytes(), word(12).swap_bytes()),
    ]);
    for bytes in broken {
        std::fs::write(&file, &bytes).unwrap();
        assert_eq!(ask(), answer);
        assert!(std::fs::read(&file).unwrap() == sound, "not made anew out of {} bytes", bytes.len());
    }
}

#[test]
fn who_searches_while_a_copy_is_renewed_gets_the_old_one_or_the_new() {
    let env = far();
    std::fs::create_dir_all(env.path("next")).unwrap();
    let repo = git2::Repository::open(env.path("far.git")).unwrap();
    std::thread::scope(|scope| {
        let searcher = scope.spawn(|| {
            for _ in 0..12 {
                let found = search(&env, &["nets"]);
                let texts: Vec<&str> = found["results"]
                    .as_array()
                    .unwrap()
                    .iter()
                    .map(|row| row["description"].as_str().unwrap())
                    .collect();
                assert!(
                    texts.is_empty() || texts.len() == 1 && texts[0].starts_with("Mends nets, edition "),
                    "{texts:?}"
                );
                assert_eq!(found["unread"], json!([]));
            }
        });
        for edition in 0..5 {
            let text = format!("Mends nets, edition {}.", edition * 1_000);
            env.write("next/skills/nets/SKILL.md", skill_md("nets", &text));
            commit(&repo, "refs/heads/main", &env.path("next"), "next");
            env.run(&["marketplace", "update", "far"]).ends(0);
        }
        searcher.join().unwrap();
    });
    assert_eq!(search(&env, &["nets"])["results"][0]["description"], "Mends nets, edition 4000.");
}

#[test]
fn documents_that_are_damaged_are_no_answer() {
    let env = far();
    let answer = search(&env, &["tables"]);
    let file = cached(&env, "catalogs");
    let sound = std::fs::read(&file).unwrap();
    let damage = |at: usize| {
        let mut bytes = sound.clone();
        bytes[at] ^= 1;
        std::fs::write(&file, bytes).unwrap();
    };
    let text = String::from_utf8(sound.clone()).unwrap();
    // Within the row that is found, where JSON stays JSON: the copy is fetched again.
    damage(text.rfind("Fills forms").unwrap());
    assert_eq!(search(&env, &["tables"]), answer);
    assert!(std::fs::read(&file).unwrap() == sound);
    std::fs::rename(env.path("far.git"), env.path("away.git")).unwrap();
    damage(text.rfind("Fills forms").unwrap());
    env.run(&["skill", "search", "tables", "--offline"]).ends(5).says("`far` could not be read");
    // Where a row begins nobody asks a damaged head.
    std::fs::write(&file, "ba-agent catalog 2 x\n99999999999999999999\n").unwrap();
    env.run(&["skill", "search", "tables", "--offline"]).ends(5);
}

/// A repository whose plugins name skills for another program's build, and which has more of them.
fn unbuilt(env: &TestEnv) {
    let entries = json!([
        { "name": "built", "source": "./plugins/built", "description": "Things that are built elsewhere" },
        { "name": "crew", "source": "./plugins/crew", "description": "Agents alone" },
        { "name": "taken", "source": { "source": "github", "repo": "o/r" }, "description": "Far away" },
    ]);
    let catalogue = json!({ "name": "u", "owner": { "name": "o" }, "plugins": entries });
    env.write("u/.claude-plugin/marketplace.json", catalogue.to_string());
    let manifest =
        json!({ "name": "built", "extensions": { "com.example.build": { "skills": ["./skills/anvil/"] } } });
    env.write("u/plugins/built/plugin.json", manifest.to_string());
    env.write("u/plugins/crew/agents/boss.md", "x");
    for (folder, name) in [
        ("skills/anvil", "anvil"),
        ("skills/bellows", "bellows"),
        ("skills/taken", "taken"),
        ("skills/bellows/inner", "inner"),
        ("deep/hidden", "hidden"),
        ("tests/sample", "sample"),
    ] {
        env.write(&format!("u/{folder}/SKILL.md"), skill_md(name, &format!("Works with {name} in a forge.")));
    }
    env.write("u/skills/broken/SKILL.md", "---\n<<<<<<< ours\n---\n");
    env.write("u/skills/anvil/scripts/run.py", "print(1)\n");
}

#[test]
fn skills_that_a_catalogue_names_for_others_or_not_at_all_are_found_and_installed() {
    let env = TestEnv::new();
    unbuilt(&env);
    let added = env.run(&["marketplace", "add", "u", "../u", "--json"]).ends(0).json();
    assert_eq!(
        added["left_out"],
        json!({
            "no_skill": ["crew"], "unreadable": ["skills/broken"], "name_taken": ["skills/taken"],
            "nested": ["skills/bellows/inner"], "sample": ["tests/sample"], "unnamed": ["deep/hidden"],
        })
    );
    env.run(&["marketplace", "update"]).ends(0);
    let run = env.run(&["marketplace", "add", "u", "../u", "--force"]).ends(0);
    assert!(
        run.stderr.contains("left out: 1 skill inside another skill: skills/bellows/inner"),
        "{}",
        run.stderr
    );
    let found = search(&env, &["forge"]);
    assert_eq!(names(&found), ["anvil", "bellows"]);
    let anvil = &found["results"][0];
    assert_eq!(
        (&anvil["folder"], &anvil["scripts"], &anvil["plugin"]),
        (&json!("skills/anvil"), &json!(true), &json!("built"))
    );
    for one in ["anvil", "bellows"] {
        env.run(&["skill", "install", &format!("{one}@u")]).ends(0);
        assert!(env.path(&format!("project/.claude/skills/{one}/SKILL.md")).exists());
    }
    // Whoever names the catalogue gets the catalogue.
    env.run(&["marketplace", "add", "named", "../u/.claude-plugin/marketplace.json"]).ends(0);
    env.run(&["marketplace", "disable", "u"]).ends(0);
    assert_eq!(names(&search(&env, &["forge"])), ["bellows", "anvil"], "the first is only installed");
    assert_eq!(names(&search(&env, &["forge", "--marketplace", "named"])), ["anvil"]);
}

#[test]
fn what_is_found_in_the_folder_of_a_page_can_be_installed() {
    let mut env = TestEnv::new();
    let Some(server) = Server::start(&env.path("srv")) else { return };
    for name in ["pdf", "docx"] {
        env.skill(&format!("src/skills/{name}"));
    }
    env.git_repo("srv/acme/skills.git", &env.path("src"));
    env.set("BA_AGENT_GITHUB_URL", server.url());
    env.run(&["marketplace", "add", "page", "https://github.com/acme/skills/tree/main/skills"]).ends(0);
    let found = search(&env, &["docx"]);
    assert_eq!(found["results"][0]["install"], "docx@page");
    env.run(&["skill", "install", "docx@page"]).ends(0);
    assert_eq!(env.registry()["skills"]["docx"]["path"], "skills/docx");
    // A branch with slashes, and a copy that the cache has lost.
    let repo = git2::Repository::open(env.path("srv/acme/skills.git")).unwrap();
    let main = repo.refname_to_id("refs/heads/main").unwrap();
    repo.reference("refs/heads/topic/deep", main, false, "").unwrap();
    env.run(&["marketplace", "add", "deep", "https://github.com/acme/skills/tree/topic/deep/skills"]).ends(0);
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    env.run(&["skill", "install", "pdf@deep"]).ends(0);
    assert_eq!(env.registry()["skills"]["pdf"]["path"], "skills/pdf");
    std::fs::remove_dir_all(env.path("cache")).unwrap();
    assert_eq!(search(&env, &["docx"])["total"], 1);
}

#[test]
fn an_entry_that_is_its_one_skill_is_one_row() {
    let env = TestEnv::new();
    env.write("plain/skills/folder-name/SKILL.md", skill_md("written-name", "Mends nets in the morning."));
    env.run(&["marketplace", "add", "plain", "../plain"]).ends(0);
    let found = search(&env, &["nets"]);
    assert_eq!((names(&found), &found["results"][0]["copies"]), (vec!["written-name"], &Value::Null));
    let reference = found["results"][0]["install"].as_str().unwrap();
    env.run(&["skill", "install", reference]).ends(0);
}

#[test]
fn a_row_says_where_it_comes_from_and_what_it_brings() {
    let env = TestEnv::new();
    let skill = "---\nname: net-mender\ndescription: Mends nets.\nallowed-tools: Bash(git:*), Read\n---\n\nMend with a shuttle.\n";
    env.write("plain/skills/net-mender/SKILL.md", skill);
    env.write("plain/skills/net-mender/mend.sh", "echo\n");
    env.git_repo("plain.git", &env.path("plain"));
    let url = format!("file://{}", env.path("plain.git").display());
    env.run(&["marketplace", "add", "plain", &url]).ends(0);
    let found = search(&env, &["shuttle"]);
    let row = &found["results"][0];
    assert!(row["repository"].as_str().unwrap().ends_with("/plain.git"), "{row}");
    assert_eq!(row["folder"], "skills/net-mender");
    assert_eq!((&row["scripts"], &row["grants"]), (&json!(true), &json!(["Bash(git:*)", "Read"])));
    assert_eq!(row["fetched_at"], "2026-01-02T03:04:05Z");
    // The day of the commit that the copy is of: not of the last change of this very skill.
    let repo = git2::Repository::open(env.path("plain.git")).unwrap();
    let made = repo.head().unwrap().peel_to_commit().unwrap().time().seconds();
    let made = jiff::Timestamp::from_second(made).unwrap();
    assert_eq!(row["committed_at"], made.to_string());
    let run = env.run(&["skill", "search", "shuttle"]).ends(0);
    let columns =
        format!("skills/net-mender\thas scripts; wants Bash(git:*), Read\t{}\n", made.strftime("%F"));
    assert!(run.stdout.contains(&columns), "{}", run.stdout);
    assert!(run.stderr.contains("install with: ba-agent skill install net-mender@plain"), "{}", run.stderr);
}

#[test]
fn references_can_be_pasted() {
    let env = TestEnv::new();
    env.write("m/skills/odd/SKILL.md", skill_md("Error Resolver", "Resolves errors of every kind."));
    let entries = json!([{ "name": "Error Kit", "source": "./", "skills": ["./skills/odd"] }]);
    let catalogue = json!({ "name": "m", "owner": { "name": "o" }, "plugins": entries });
    env.write("m/.claude-plugin/marketplace.json", catalogue.to_string());
    env.run(&["marketplace", "add", "m", "../m"]).ends(0);
    let run = env.run(&["skill", "search", "resolves errors"]).ends(0);
    let line = run.stderr.lines().find_map(|line| line.split_once("skill install ")).unwrap().1.to_owned();
    let words =
        std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output().unwrap();
    let words = String::from_utf8(words.stdout).unwrap();
    assert_eq!(words.lines().count(), 1, "{line}");
    env.run(&["skill", "install", words.trim_end()]).ends(0);
}

#[test]
fn who_finds_nothing_learns_why_and_what_to_do() {
    let env = library();
    let nothing = search(&env, &["xylophone warehuose-x"]);
    let nothing = if nothing["results"] == json!([]) { nothing } else { search(&env, &["xylophone"]) };
    assert_eq!(nothing["unknown_words"][0], "xylophone");
    assert!(nothing["hints"][0].as_str().unwrap().contains("other words"));
    env.run(&["skill", "search", "xylophone"])
        .ends(0)
        .says("no skill has `xylophone`")
        .says("marketplace add");
    let filtered = search(&env, &["sql", "--tag", "none-such"]);
    assert!(filtered["hints"][0].as_str().unwrap().contains("filters"));
    assert_eq!(search(&env, &["sql"])["hints"], json!([]));
    let none = TestEnv::new();
    none.run(&["skill", "search", "sql"]).ends(0).says("no marketplace is registered");
}

#[test]
fn copies_share_a_row() {
    let env = TestEnv::new();
    for (folder, name) in
        [("one", "sql-writer"), ("two", "sql-writer"), ("two", "sql-fork"), ("two", "other")]
    {
        let description =
            if name == "other" { "Paints fences." } else { "Writes SQL from a question in plain words." };
        env.write(&format!("{folder}/skills/{name}/SKILL.md"), skill_md(name, description));
    }
    for name in ["one", "two"] {
        env.run(&["marketplace", "add", name, &format!("../{name}")]).ends(0);
    }
    let found = search(&env, &["sql"]);
    assert_eq!((names(&found), &found["total"]), (vec!["sql-writer"], &json!(1)));
    let copies = &found["results"][0]["copies"];
    assert_eq!(copies[0]["install"], "sql-fork@two");
    assert_eq!(
        copies[1],
        json!({ "name": "sql-writer", "marketplace": "two", "installed": false, "install": "sql-writer@two" })
    );
    assert_eq!(search(&env, &[])["total"], 2);
}

#[test]
fn matches_are_marked_and_outside_text_cannot_act() {
    let env = TestEnv::new();
    let catalogue = json!({ "name": "a", "owner": { "name": "o" }, "plugins": [
        { "name": "evil", "source": { "source": "github", "repo": "o/r" }, "description": "\u{1b}[31mred\u{202e} pdf" }] });
    env.write("m/.claude-plugin/marketplace.json", catalogue.to_string());
    env.run(&["marketplace", "add", "m", "../m"]).ends(0);
    let run = env.run(&["skill", "search", "pdf", "--color", "always"]).ends(0);
    assert!(!run.stdout.contains('\u{1b}') && !run.stdout.contains('\u{202e}'), "{:?}", run.stdout);
}

/// Whatever is asked: an answer, in one document, and nothing that a terminal would obey.
#[test]
fn queries_of_any_kind_are_answered() {
    let env = library();
    let scripts = "pdf данные αρχείο ملف קובץ फ़ाइल ফাইল ਫਾਈਲ கோப்பு ఫైలు ಕಡತ ഫയൽ ගොනුව ไฟล์ ໄຟລ໌ ཡིག་ཆ ဖိုင် ფაილი ፋይል ឯកសារ 文件 ファイル 파일";
    assert!(scripts.split(' ').count() > 20);
    let words = "sql ".repeat(25_000);
    let (one_word, run) = ("x".repeat(100_000), "漢字".repeat(16_000));
    for query in [
        words.as_str(),
        &one_word,
        &run,
        scripts,
        "\u{1f980}",
        "\u{1b}[31m\u{7}\u{8}\u{9b}2J\u{202e}sql",
        "\u{301}",
        "-- '; DROP TABLE \"x\"",
        " ",
    ] {
        let found = search(&env, &["--", query]);
        assert!(found["results"].is_array() && found["total"].is_u64());
        let run = env.run(&["skill", "search", "--", query]).ends(0);
        let obeyed =
            |c: char| (c.is_control() && !matches!(c, '\n' | '\t')) || ('\u{202a}'..='\u{202e}').contains(&c);
        assert!(!run.stdout.contains(obeyed) && !run.stderr.contains(obeyed), "{:?}", run.stderr);
        assert!(run.stderr.len() < 2_000, "{} bytes of notes for {} bytes", run.stderr.len(), query.len());
    }
    assert_eq!(names(&search(&env, &[&words]))[0], "sql-analyzer");
}

#[test]
fn descriptions_and_texts_of_a_megabyte_are_searched() {
    let env = TestEnv::new();
    let long = "mends nets and sails ".repeat(50_000);
    let entry =
        json!([{ "name": "endless", "source": { "source": "github", "repo": "o/r" }, "description": long }]);
    let catalogue = json!({ "name": "a", "owner": { "name": "o" }, "plugins": entry });
    env.write("a/.claude-plugin/marketplace.json", catalogue.to_string());
    let text = format!("{}\n{}", skill_md("harbour", "Looks after a harbour."), &long[..1_000_000]);
    env.write("b/skills/harbour/SKILL.md", text);
    env.git_repo("b.git", &env.path("b"));
    env.run(&["marketplace", "add", "a", "../a"]).ends(0);
    env.run(&["marketplace", "add", "b", &format!("file://{}", env.path("b.git").display())]).ends(0);
    let mut found: Vec<String> = names(&search(&env, &["sails"])).into_iter().map(str::to_owned).collect();
    found.sort();
    assert_eq!(found, ["endless", "harbour"]);
    let indexes = walkdir::WalkDir::new(env.path("cache/indexes")).into_iter().flatten();
    let sizes =
        indexes.filter(|entry| entry.file_type().is_file()).map(|entry| entry.metadata().unwrap().len());
    assert!(sizes.sum::<u64>() < 10_000, "nobody looks for what stands behind the beginning");
    env.run(&["skill", "search", "sails"]).ends(0);
}

/// Built, renewed and searched with a data segment of 256 MiB, stacks of threads among them.
#[cfg(target_os = "linux")]
#[test]
fn a_hundred_thousand_entries_fit_into_256_mib() {
    const ENTRIES: usize = 100_000;
    let env = TestEnv::new();
    let entry = |n: usize| {
        json!({ "name": format!("tool-{n}"), "description": format!("Does task {} of trade {} with care", n % 977, n % 89),
            "source": { "source": "github", "repo": format!("owner-{}/repo-{n}", n % 700) }, "tags": [format!("t{}", n % 50)] })
    };
    let catalogue = json!({ "name": "a", "owner": { "name": "o" }, "plugins": (0..ENTRIES).map(entry).collect::<Vec<_>>() });
    env.write("a/.claude-plugin/marketplace.json", catalogue.to_string());
    env.git_repo("a.git", &env.path("a"));
    let limited = |args: &[&str]| {
        let program = env.command(args);
        let mut shell = std::process::Command::new("sh");
        shell.args(["-c", "ulimit -d 262144 && exec \"$0\" \"$@\""]).arg(program.get_program());
        shell
            .args(program.get_args())
            .env_clear()
            .current_dir(env.project())
            .stdin(std::process::Stdio::null());
        shell.envs(program.get_envs().filter_map(|(name, value)| Some((name, value?))));
        let output = shell.output().unwrap();
        assert!(output.status.success(), "{args:?}: {}", String::from_utf8_lossy(&output.stderr));
        output.stdout
    };
    let url = format!("file://{}", env.path("a.git").display());
    limited(&["marketplace", "add", "a", &url]);
    assert!(cached(&env, "indexes").exists());
    let ask = |query: &str| -> Value {
        serde_json::from_slice(&limited(&["skill", "search", "--json", "--limit", "5", query])).unwrap()
    };
    assert_eq!(names(&ask("tool-70007"))[0], "tool-70007");
    assert_eq!(
        ask("somebody who does task 900 with care for trade 13")["results"].as_array().unwrap().len(),
        5
    );
    // Without its index, which is made anew.
    std::fs::remove_file(cached(&env, "indexes")).unwrap();
    assert_eq!(names(&ask("tool-99999"))[0], "tool-99999");
    assert!(cached(&env, "indexes").exists());
}
