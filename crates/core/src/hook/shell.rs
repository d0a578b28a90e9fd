//! A line for a POSIX shell, taken apart into the commands in it: those behind `&&`, `;` and `|`,
//! in `$(…)`, in groups and behind keywords, with quotes taken off. What a variable, an alias or a
//! file holds is not known here.

/// Bytes of a line that are read.
const LONGEST: usize = 1 << 20;
/// How deep commands inside of commands are looked at.
const DEEPEST: usize = 8;

/// A command with what it gets on its standard input, where that stands in the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SimpleCommand {
    pub(super) words: Vec<String>,
    pub(super) input: String,
}

/// The commands of a line, in their order, those inside of others first.
pub(super) fn split_commands(line: &str) -> Vec<SimpleCommand> {
    let mut found = Vec::new();
    split_into(line, 0, &mut found);
    found
}

/// The words of a line without any of a shell's signs, for instance a pattern.
pub(super) fn split_words(line: &str) -> Vec<String> {
    split_commands(line).into_iter().next().map(|command| command.words).unwrap_or_default()
}

fn split_into(line: &str, depth: usize, found: &mut Vec<SimpleCommand>) {
    if depth > DEEPEST || line.len() > LONGEST {
        return;
    }
    let mut splitter = Splitter {
        rest: line.chars().collect(),
        at: 0,
        depth,
        found,
        command: SimpleCommand::default(),
        word: None,
        redirected: None,
        documents: Vec::new(),
        names_document: false,
        is_piped: false,
    };
    splitter.run();
}

struct Splitter<'f> {
    rest: Vec<char>,
    at: usize,
    depth: usize,
    found: &'f mut Vec<SimpleCommand>,
    command: SimpleCommand,
    word: Option<String>,
    /// The next word is the target of a redirection, which is left out, or the command's input.
    redirected: Option<bool>,
    /// Ends of the texts that begin behind the line.
    documents: Vec<String>,
    /// The next word is the end of such a text.
    names_document: bool,
    /// The output of the command before goes into this one.
    is_piped: bool,
}

impl Splitter<'_> {
    fn peek(&self, ahead: usize) -> Option<char> {
        self.rest.get(self.at + ahead).copied()
    }

    fn run(&mut self) {
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\'' => self.quote_single(),
                '"' => self.quote_double(),
                '\\' => match self.peek(0) {
                    Some('\n') => self.at += 1,
                    Some(next) => {
                        self.at += 1;
                        self.push(next);
                    }
                    None => {}
                },
                '$' if self.peek(0) == Some('\'') => {
                    self.at += 1;
                    self.quote_escaped();
                }
                '$' | '<' | '>' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.substitute(')');
                }
                '`' => self.substitute('`'),
                '#' if self.word.is_none() => {
                    while self.peek(0).is_some_and(|c| c != '\n') {
                        self.at += 1;
                    }
                }
                '<' | '>' => self.redirect(c),
                '&' if self.peek(0) == Some('>') => {}
                '\n' => {
                    self.end_command(false);
                    self.read_documents();
                }
                '|' if self.peek(0) != Some('|') => {
                    self.end_command(true);
                    if self.peek(0) == Some('&') {
                        self.at += 1;
                    }
                }
                ';' | '&' | '|' | '(' | ')' => self.end_command(false),
                c if c.is_whitespace() => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command(false);
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().push(c);
    }

    fn quote_single(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == '\'' {
                break;
            }
            self.push(c);
        }
    }

    fn quote_double(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '"' => break,
                '\\' => {
                    if let Some(next) = self.peek(0) {
                        self.at += 1;
                        if !matches!(next, '"' | '\\' | '$' | '`' | '\n') {
                            self.push('\\');
                        }
                        if next != '\n' {
                            self.push(next);
                        }
                    }
                }
                '$' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.substitute(')');
                }
                '`' => self.substitute('`'),
                c => self.push(c),
            }
        }
    }

    /// `$'…'`, in which `\x72` and `\162` are letters.
    fn quote_escaped(&mut self) {
        self.word.get_or_insert_default();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            match c {
                '\'' => break,
                '\\' => {
                    let next = self.peek(0);
                    self.at += 1;
                    match next {
                        Some('n') => self.push('\n'),
                        Some('t') => self.push('\t'),
                        Some('x' | 'u') => self.push_number(16, 4),
                        Some('0'..='7') => {
                            self.at -= 1;
                            self.push_number(8, 3);
                        }
                        Some(other) => self.push(other),
                        None => {}
                    }
                }
                c => self.push(c),
            }
        }
    }

    fn push_number(&mut self, radix: u32, most: usize) {
        let (mut value, mut digits) = (0, 0);
        while let Some(digit) = self.peek(0).and_then(|c| c.to_digit(radix)).filter(|_| digits < most) {
            value = value * radix + digit;
            digits += 1;
            self.at += 1;
        }
        if let Some(c) = char::from_u32(value) {
            self.push(c);
        }
    }

    /// The commands whose output stands here, up to their end.
    fn substitute(&mut self, end: char) {
        let start = self.at;
        let (mut open, mut quote) = (1, None);
        while let Some(c) = self.peek(0) {
            match (c, quote) {
                ('\\', None | Some('"')) => self.at += 1,
                (c, Some(q)) if c == q => quote = None,
                ('\'' | '"', None) => quote = Some(c),
                ('(', None) if end == ')' => open += 1,
                (c, None) if c == end => open -= 1,
                _ => {}
            }
            if open == 0 {
                break;
            }
            self.at += 1;
        }
        let stop = self.at.min(self.rest.len());
        let inside: String = self.rest.get(start..stop).unwrap_or_default().iter().collect();
        self.at += 1;
        // What it prints is not known; that there is something is.
        self.word.get_or_insert_default();
        split_into(&inside, self.depth + 1, self.found);
    }

    fn redirect(&mut self, first: char) {
        // A number before it is a part of it.
        if self.word.as_ref().is_some_and(|word| word.chars().all(|c| c.is_ascii_digit())) {
            self.word = None;
        }
        self.end_word();
        if first == '<' && self.peek(0) == Some('<') {
            self.at += 1;
            if self.peek(0) == Some('<') {
                self.at += 1;
                self.redirected = Some(true);
                return;
            }
            if self.peek(0) == Some('-') {
                self.at += 1;
            }
            self.names_document = true;
            return;
        }
        while self.peek(0).is_some_and(|c| matches!(c, '>' | '&' | '|')) {
            self.at += 1;
        }
        self.redirected = Some(false);
    }

    fn end_word(&mut self) {
        let Some(word) = self.word.take() else { return };
        if self.names_document {
            self.names_document = false;
            self.documents.push(word);
        } else if let Some(is_input) = self.redirected.take() {
            if is_input {
                self.command.input.push_str(&word);
            }
        } else if !(self.command.words.is_empty() && is_keyword(&word)) {
            self.command.words.push(word);
        }
    }

    fn end_command(&mut self, feeds_next: bool) {
        self.end_word();
        self.redirected = None;
        let mut command = std::mem::take(&mut self.command);
        if self.is_piped
            && let Some(before) = self.found.last()
            && let Some((program, said)) = before.words.split_first()
            && matches!(program.as_str(), "echo" | "printf")
        {
            command.input.push_str(&said.join(" "));
        }
        self.is_piped = feeds_next;
        if !command.words.is_empty() {
            self.found.push(command);
        }
    }

    /// The lines behind this one that are the input of commands in it.
    fn read_documents(&mut self) {
        for end in std::mem::take(&mut self.documents) {
            let mut text = String::new();
            while self.at < self.rest.len() {
                let stop = (self.at..self.rest.len()).find(|at| self.rest.get(*at) == Some(&'\n'));
                let stop = stop.unwrap_or(self.rest.len());
                let line: String = self.rest.get(self.at..stop).unwrap_or_default().iter().collect();
                self.at = stop + 1;
                if line.trim_start_matches('\t') == end {
                    break;
                }
                text.push_str(&line);
                text.push('\n');
            }
            if let Some(command) = self.found.last_mut() {
                command.input.push_str(&text);
            }
        }
    }
}

/// Words before a command that are not its name.
fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "then" | "else" | "elif" | "do" | "while" | "until" | "!" | "{" | "}" | "fi" | "done"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_line_falls_into_its_commands() {
        let check = |line: &str, expected: &[&[&str]]| {
            let found: Vec<Vec<String>> =
                split_commands(line).into_iter().map(|command| command.words).collect();
            assert_eq!(found, expected, "{line}");
        };
        check("ls -l", &[&["ls", "-l"]]);
        check("a && b || c; d & e | f", &[&["a"], &["b"], &["c"], &["d"], &["e"], &["f"]]);
        check("r''m \"-rf\" \\x 'a b'", &[&["rm", "-rf", "x", "a b"]]);
        check("echo $(rm -rf x) y", &[&["rm", "-rf", "x"], &["echo", "", "y"]]);
        check("echo \"a `rm b`\"", &[&["rm", "b"], &["echo", "a "]]);
        check("(cd x; rm y) > /dev/null 2>&1", &[&["cd", "x"], &["rm", "y"]]);
        check("if true; then rm x; fi", &[&["true"], &["rm", "x"]]);
        check("$'\\x72m' -rf", &[&["rm", "-rf"]]);
        check("a # rm -rf\nb", &[&["a"], &["b"]]);
        check("cat <(rm x) >out 2>&1 y", &[&["rm", "x"], &["cat", "", "y"]]);
        check("a \\\n b", &[&["a", "b"]]);
        check("", &[]);
    }

    #[test]
    fn what_a_command_reads_is_known_where_it_stands_there() {
        let input = |line: &str| split_commands(line).pop().unwrap().input;
        assert_eq!(input("sh <<'EOF'\nrm -rf x\nEOF\n"), "rm -rf x\n");
        assert_eq!(input("bash <<< 'rm x'"), "rm x");
        assert_eq!(input("echo rm -rf x | sh"), "rm -rf x");
        assert_eq!(input("cat x | sh"), "");
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[a-z '\"\\\\$(){}`<>|&;#\n0-9=-]{0,60}") {
            let _ = split_commands(&line);
        }
    }
}
