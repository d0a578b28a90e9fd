//! `ba-agent skill tree`, and how trees of skills look.

use std::collections::{BTreeMap, BTreeSet};

use clap::Args;

use super::CommandContext;
use ba_agent_core::error::{Result, printable};
use ba_agent_engine::ops;
use ba_agent_engine::ops::tree::{ForestEdge, ForestNode, SkillForest};

/// Show the installed skills by what needs what.
#[derive(Debug, Args)]
#[command(
    long_about = "Show the installed skills by what needs what: below each the skills that it needs. `(*)` marks a skill whose \
        own part was shown above, `circle` one that needs itself by way of others; what is missing, in the wrong version, or \
        not ready on this machine is said beside it.",
    after_help = "Examples:\n  ba-agent skill tree\n  ba-agent skill tree --strict\n  ba-agent skill tree --json"
)]
pub(crate) struct TreeArgs {
    /// Fail if something is missing, in a circle, or in a version that somebody cannot do with.
    #[arg(long)]
    strict: bool,
}

impl TreeArgs {
    /// Prints all trees.
    ///
    /// # Errors
    /// Those of [`ops::tree::list_tree`].
    pub(crate) fn run(self, cx: &CommandContext<'_>) -> Result<u8> {
        let forest = ops::tree::list_tree(&cx.workspace, cx.ui)?;
        if cx.ui.json() {
            cx.ui.print_json_document(&forest);
        } else {
            cx.ui.print_paged(cx.env(), &draw_forest(cx, &forest));
            tell_faults(cx, &forest);
        }
        match forest.failure() {
            Some(kind) if self.strict => Ok(kind.exit_status()),
            _ => Ok(0),
        }
    }
}

/// What is wrong with a forest, a line each.
pub(super) fn tell_faults(cx: &CommandContext<'_>, forest: &SkillForest) {
    let mut told = Vec::new();
    for one in &forest.missing {
        let by = one.wanted_by.join(", ");
        told.push(format!("{} is missing: {by} needs it", printable(&one.name, false)));
    }
    for one in &forest.conflicts {
        let by: Vec<String> = one
            .wanted_by
            .iter()
            .map(|by| format!("{} needs {}", by.name, by.range.as_deref().unwrap_or("any version")))
            .collect();
        let is =
            one.version.as_deref().map_or("has no version".to_owned(), |version| format!("is {version}"));
        told.push(format!("{} {is}: {}", one.name, by.join(", ")));
    }
    cx.ui.warn_some(&told, "warned of");
    let circles: Vec<String> = forest
        .cycles
        .iter()
        .map(|cycle| format!("these skills need each other: {}", cycle.join(" -> ")))
        .collect();
    circles.iter().for_each(|circle| cx.ui.note(circle));
}

/// Deeper than this nothing is drawn: nobody reads it, and each line is as long as it is deep.
const DEEPEST: usize = 40;

/// Every tree of a forest, as `cargo tree` draws them.
pub(super) fn draw_forest(cx: &CommandContext<'_>, forest: &SkillForest) -> String {
    let mut drawing = TreeDrawing {
        nodes: forest.nodes.iter().map(|node| (node.name.as_str(), node)).collect(),
        edges: BTreeMap::new(),
        drawn: BTreeSet::new(),
        text: String::new(),
    };
    for edge in forest.edges.iter().filter(|edge| !edge.optional) {
        let below = drawing.edges.entry(edge.from.as_str()).or_default();
        if below.iter().all(|known| known.to != edge.to) {
            below.push(edge);
        }
    }
    drawing.edges.values_mut().for_each(|below| below.sort_by(|a, b| a.to.cmp(&b.to)));
    for root in &forest.roots {
        drawing.draw(root, cx);
    }
    drawing.text
}

struct TreeDrawing<'f> {
    nodes: BTreeMap<&'f str, &'f ForestNode>,
    edges: BTreeMap<&'f str, Vec<&'f ForestEdge>>,
    /// Skills whose own part was drawn.
    drawn: BTreeSet<&'f str>,
    text: String,
}

/// A skill on the way down, and which of its needs comes next.
struct Branch<'f> {
    name: &'f str,
    next: usize,
}

impl<'f> TreeDrawing<'f> {
    fn draw(&mut self, root: &'f str, cx: &CommandContext<'_>) {
        let line = cx.ui.wrap_line(&self.line_of(root, None, &[]), "", "    ");
        self.text.push_str(&cx.ui.bold(&line));
        self.text.push('\n');
        if !self.drawn.insert(root) {
            return;
        }
        let mut way = vec![Branch { name: root, next: 0 }];
        while let Some(branch) = way.last_mut() {
            let below = self.edges.get(branch.name).map_or(&[][..], Vec::as_slice);
            let Some(&edge) = below.get(branch.next) else {
                way.pop();
                continue;
            };
            branch.next += 1;
            let mut lead = String::new();
            for (at, above) in way.iter().enumerate() {
                let left = self.edges.get(above.name).map_or(0, Vec::len) > above.next;
                lead.push_str(match (at + 1 == way.len(), left) {
                    (true, true) => "├── ",
                    (true, false) => "└── ",
                    (false, true) => "│   ",
                    (false, false) => "    ",
                });
            }
            let is_circle = way.iter().any(|above| above.name == edge.to);
            let has_more = self.edges.contains_key(edge.to.as_str());
            let is_known = has_more && !is_circle && !self.drawn.insert(&edge.to);
            let is_deep = has_more && way.len() >= DEEPEST;
            let marks: Vec<&str> = [(is_circle, "circle"), (is_known, "*"), (is_deep && !is_known, "…")]
                .into_iter()
                .filter_map(|(is, mark)| is.then_some(mark))
                .collect();
            let line = self.line_of(&edge.to, edge.range.as_deref(), &marks);
            let is_opened = has_more && !is_circle && !is_known && !is_deep;
            // What a narrow terminal breaks goes on beside the branches that go on.
            let below = lead.replace("├── ", "│   ").replace("└── ", "    ");
            let below = format!("{below}{}", if is_opened { "│   " } else { "    " });
            self.text.push_str(&format!("{}\n", cx.ui.wrap_line(&line, &lead, &below)));
            if is_opened {
                way.push(Branch { name: &edge.to, next: 0 });
            }
        }
    }

    /// `charts 1.4.1 (^1.2, lacks bin:gnuplot)`.
    fn line_of(&self, name: &str, range: Option<&str>, marks: &[&str]) -> String {
        let mut notes: Vec<String> = range.map(str::to_owned).into_iter().collect();
        let mut line = printable(name, false);
        match self.nodes.get(name) {
            Some(node) => {
                if let Some(version) = &node.version {
                    line.push(' ');
                    line.push_str(&printable(version, false));
                }
                if !node.enabled {
                    notes.push("disabled".to_owned());
                }
                if !node.unmet.is_empty() {
                    notes.push(format!("lacks {}", node.unmet.join(" ")));
                }
            }
            None => notes.push("missing".to_owned()),
        }
        notes.extend(marks.iter().map(|mark| (*mark).to_owned()));
        if !notes.is_empty() {
            line.push_str(&format!(" ({})", printable(&notes.join(", "), false)));
        }
        line
    }
}
