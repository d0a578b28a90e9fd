//! Skills that are active at the same time share one area.

use serde::Serialize;

use super::count_chars;

/// A skill whose instructions are to be in the context.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ActiveInstructions {
    pub name: String,
    /// Its instructions, without frontmatter.
    pub body: String,
    /// Where they stand in full.
    pub location: String,
}

/// What of it is in the context.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ActiveText {
    pub name: String,
    pub chars: usize,
    /// True where not all of it had room.
    pub cut: bool,
    pub text: String,
}

/// The skills in at most `limit` characters together: each gets its share, and what a short one
/// leaves goes to the longer ones. Of a cut one the last line says where to read on.
pub fn fit_active(skills: &[ActiveInstructions], limit: usize) -> Vec<ActiveText> {
    let whole: Vec<String> = skills.iter().map(|skill| frame(&skill.name, skill.body.trim())).collect();
    let needs: Vec<usize> = whole.iter().map(|text| count_chars(text)).collect();
    let shares = share_out(&needs, limit);
    let fit = |((skill, whole), share): ((&ActiveInstructions, String), usize)| {
        let is_whole = count_chars(&whole) <= share;
        let text = if is_whole { whole } else { cut_body(skill, share) };
        ActiveText { name: skill.name.clone(), chars: count_chars(&text), cut: !is_whole, text }
    };
    skills.iter().zip(whole).zip(shares).map(fit).collect()
}

fn frame(name: &str, body: &str) -> String {
    format!("<skill_content name=\"{name}\">\n{body}\n</skill_content>")
}

/// What each may take of `limit`: all that it needs, or as much as any other that is cut.
fn share_out(needs: &[usize], limit: usize) -> Vec<usize> {
    let mut order: Vec<usize> = (0..needs.len()).collect();
    order.sort_by_key(|at| (needs[*at], *at));
    let mut shares = vec![0; needs.len()];
    let mut left = limit;
    for (nth, at) in order.iter().enumerate() {
        let equal = left / (needs.len() - nth);
        shares[*at] = needs[*at].min(equal);
        left -= shares[*at];
    }
    shares
}

/// As many whole lines as there is room for, and the path; nothing where not even that fits.
fn cut_body(skill: &ActiveInstructions, share: usize) -> String {
    let end = format!("… cut here; read on in {}", skill.location);
    let around = count_chars(&frame(&skill.name, &end)) + 1;
    let Some(room) = share.checked_sub(around) else {
        let short = format!("… read {}", skill.location);
        return if count_chars(&short) <= share { short } else { String::new() };
    };
    let body = skill.body.trim();
    let cut = body.char_indices().nth(room).map_or(body.len(), |(at, _)| at);
    let head = &body[..cut];
    let line = head.rfind('\n').filter(|at| at * 2 > head.len()).unwrap_or(head.len());
    frame(&skill.name, &format!("{}\n{end}", head[..line].trim_end()))
}
