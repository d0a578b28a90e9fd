//! How often `skill recommend` puts the right skill first, over prompts that others wrote. They are
//! theirs, so none is kept here: `BA_AGENT_PROMPTS` names a folder with `skills/NAME/SKILL.md` and a
//! `prompts.jsonl`, each line `{"query": …, "skill": NAME}`, or `{"query": …, "skill": null, "not":
//! NAME}` for one that a skill of that name must not come first for. Without it nothing is measured.
#![cfg(unix)]

use serde_json::Value;

use crate::env::TestEnv;

#[test]
#[allow(clippy::print_stdout, clippy::disallowed_methods)]
fn the_right_skill_is_among_the_first() {
    let Some(folder) = std::env::var_os("BA_AGENT_PROMPTS").map(std::path::PathBuf::from) else {
        println!("skipped: BA_AGENT_PROMPTS names no folder");
        return;
    };
    let env = TestEnv::new();
    std::fs::create_dir_all(env.path("project/.claude")).unwrap();
    std::os::unix::fs::symlink(folder.join("skills"), env.path("project/.claude/skills")).unwrap();
    env.write("settings/config.yaml", format!("skills: {{allow_links_to: ['{}']}}\n", folder.display()));
    let prompts = std::fs::read_to_string(folder.join("prompts.jsonl")).unwrap();
    let (mut asked, mut refused, mut wrong, mut confident_wrong) = (0, 0, 0, 0);
    let mut hits = [0_usize; 4];
    for line in prompts.lines() {
        let prompt: Value = serde_json::from_str(line).unwrap();
        let args = ["skill", "recommend", "--limit", "12", "--json", "--", prompt["query"].as_str().unwrap()];
        let found = env.run(&args).ends(0).json();
        let all = found["recommendations"].as_array().unwrap();
        let installed: Vec<&Value> = all.iter().filter(|one| one["installed"] == true).collect();
        let name = |one: &Value| one["name"].as_str().unwrap().to_owned();
        match (prompt["skill"].as_str(), prompt["not"].as_str()) {
            (Some(right), _) => {
                asked += 1;
                let place = installed.iter().position(|one| name(one) == right);
                for (count, most) in hits.iter_mut().zip([1, 3, 5, 10]) {
                    *count += usize::from(place.is_some_and(|place| place < most));
                }
            }
            (None, not) => {
                refused += 1;
                let is_wrong = |one: &&&Value| not.is_some_and(|not| name(one).contains(not));
                if let Some(first) = installed.first().filter(is_wrong) {
                    wrong += 1;
                    confident_wrong += usize::from(first["confidence"] == "high");
                }
            }
        }
    }
    println!("{asked} prompts: hit@1 {}, hit@3 {}, hit@5 {}, hit@10 {}", hits[0], hits[1], hits[2], hits[3]);
    println!("{refused} prompts for no skill: wrongly first {wrong}, with high confidence {confident_wrong}");
    assert!(asked > 0 && hits[1] * 100 >= asked * 70, "fewer than 70 % among the first three");
}
