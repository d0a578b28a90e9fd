//! Where the frontmatter of a manifest ends, in five ways.

/// Between a first line `---` and the next one, blanks around either counted out.
pub(super) fn block_to_marker_line(text: &str) -> Option<String> {
    let mut lines = text.lines();
    lines.next().filter(|line| line.trim() == "---")?;
    let mut block = Vec::new();
    for line in lines {
        if line.trim() == "---" {
            return (!block.is_empty()).then(|| block.join("\n"));
        }
        block.push(line);
    }
    None
}

/// From a first line `---` to the next `---` at all, also one inside of a line; and what is behind
/// it.
pub(super) fn block_to_any_dashes(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("---")?;
    let blank = rest.len() - rest.trim_start().len();
    let head = rest.get(..blank)?.rfind('\n')? + 1;
    let rest = rest.get(head..)?;
    let end = rest.find("---")?;
    let behind = rest.get(end + 3..)?;
    let skipped = behind.len() - behind.trim_start().len();
    // Blank lines behind it are of the text, all but for what the marker takes with it.
    let body = behind.get(skipped..).unwrap_or_default();
    Some((rest.get(..end)?, body))
}

/// From a first line that is `---` to the next line that begins so.
pub(super) fn block_to_dashes_at_start(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("---\n").or_else(|| text.strip_prefix("---\r\n"))?;
    let end = rest.find("\n---")?;
    let block = rest.get(..end)?;
    Some(block.strip_suffix('\r').unwrap_or(block))
}

/// Behind a first `---` to the next line that begins so, else to the end; `None` where the text
/// does not begin with exactly three dashes, or with nothing between them.
pub(super) fn block_to_yaml_end(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("---").filter(|rest| !rest.starts_with('-'))?;
    let block = rest.find("\n---").map_or(Some(rest), |end| rest.get(..end))?;
    (!block.trim().is_empty()).then_some(block)
}

/// From a first line `---` to a line `---` that has another one behind it.
pub(super) fn block_to_line_of_dashes(text: &str) -> Option<&str> {
    let rest = text.strip_prefix("---")?;
    let blank = rest.len() - rest.trim_start().len();
    let head = rest.get(..blank)?.rfind('\n')? + 1;
    let rest = rest.get(head..)?;
    let mut from = 0;
    while let Some(at) = rest.get(from..)?.find("\n---") {
        let (end, behind) = (from + at, rest.get(from + at + 4..)?);
        let blank = behind.len() - behind.trim_start().len();
        if behind.get(..blank)?.contains('\n') {
            return rest.get(..end);
        }
        from = end + 4;
    }
    None
}

/// The first line that is not blank, without the marks of a heading; of a long one the beginning.
pub(super) fn first_line(body: &str) -> String {
    const LONGEST: usize = 100;
    let Some(line) = body.lines().map(str::trim).find(|line| !line.is_empty()) else {
        return "Skill".to_owned();
    };
    let heading = line.trim_start_matches('#');
    let is_heading = heading.len() < line.len() && heading.starts_with(char::is_whitespace);
    let line = match heading.trim_start() {
        text if is_heading && !text.is_empty() => text,
        _ => line,
    };
    // Its characters are those of JavaScript: one beyond the first plane counts twice.
    if line.encode_utf16().count() <= LONGEST {
        return line.to_owned();
    }
    let mut units = 0;
    let head: String = line
        .chars()
        .take_while(|c| {
            units += c.len_utf16();
            units <= LONGEST - 3
        })
        .collect();
    format!("{head}...")
}
