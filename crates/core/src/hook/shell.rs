//! A line for a POSIX shell, taken apart into the commands in it: those behind `&&`, `;` and `|`,
//! in `$(…)`, in groups and behind keywords, with quotes taken off. What a variable, an alias or a
//! file holds is not known here.

/// Bytes of a line that are read.
const LONGEST: usize = 1 << 20;
/// How deep commands inside of commands are looked at.
const DEEPEST: usize = 8;
/// Characters that are looked at for one line, those of commands inside of others once for each.
const MOST_WORK: usize = 16 << 20;
/// Words that a word with braces stands for.
const MOST_WORDS: usize = 1_000;

/// A command with what it gets on its standard input, where that stands in the line.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct SimpleCommand {
    pub(super) words: Vec<String>,
    pub(super) input: String,
    /// The command before it in a pipe, by its position.
    reads: Option<usize>,
}

impl SimpleCommand {
    pub(super) fn new(words: Vec<String>, input: &str) -> Self {
        Self { words, input: input.to_owned(), reads: None }
    }

    /// What it prints, where the line says that.
    fn output(&self) -> Option<String> {
        let (program, rest) = self.words.split_first()?;
        match program.as_str() {
            "echo" | "printf" => {
                let is_flag = |word: &&String| matches!(word.as_str(), "-n" | "-e" | "-ne" | "-en" | "--");
                Some(rest.iter().skip_while(is_flag).map(String::as_str).collect::<Vec<_>>().join(" "))
            }
            "cat" | "tee" => Some(self.input.clone()).filter(|input| !input.is_empty()),
            _ => None,
        }
    }
}

/// The commands of a line.
#[derive(Debug, Default)]
pub(super) struct ShellCommands {
    /// In their order, those inside of others first.
    pub(super) all: Vec<SimpleCommand>,
    /// Something was too long or too deep to be looked at.
    pub(super) is_cut: bool,
    /// Characters that were looked at.
    work: usize,
}

/// Takes a line apart.
pub(super) fn split_commands(line: &str) -> ShellCommands {
    let mut found = ShellCommands::default();
    split_into(line, 0, &mut found);
    found
}

/// The words of a line without any of a shell's signs, for instance a pattern.
pub(super) fn split_words(line: &str) -> Vec<String> {
    split_commands(line).all.into_iter().next().map(|command| command.words).unwrap_or_default()
}

fn split_into(line: &str, depth: usize, found: &mut ShellCommands) {
    found.work = found.work.saturating_add(line.len());
    if depth > DEEPEST || line.len() > LONGEST || found.work > MOST_WORK {
        found.is_cut = true;
        return;
    }
    Splitter::new(line, depth, found).run();
}

/// A word that is being read.
#[derive(Default)]
struct ShellWord {
    text: String,
    /// Quotes stood in it, so that braces in it are letters.
    is_quoted: bool,
}

/// A text behind the line that is the input of a command in it.
struct HereDocument {
    end: String,
    /// Tabs before its end do not count (`<<-`).
    is_indented: bool,
    /// Its end was quoted: then nothing in it is run.
    is_literal: bool,
    /// The command that reads it, once that is known.
    reader: Option<usize>,
}

/// What the next word is, where it is none of the command's.
enum Redirection {
    /// A file that is left out.
    Target,
    /// The command's input.
    Input,
    /// The end of a text behind the line.
    Document { is_indented: bool },
}

struct Splitter<'f> {
    rest: Vec<char>,
    at: usize,
    depth: usize,
    found: &'f mut ShellCommands,
    command: SimpleCommand,
    word: Option<ShellWord>,
    redirected: Option<Redirection>,
    documents: Vec<HereDocument>,
    /// The command whose output goes into this one.
    piped_from: Option<usize>,
}

impl<'f> Splitter<'f> {
    fn new(line: &str, depth: usize, found: &'f mut ShellCommands) -> Self {
        Self {
            rest: line.chars().collect(),
            at: 0,
            depth,
            found,
            command: SimpleCommand::default(),
            word: None,
            redirected: None,
            documents: Vec::new(),
            piped_from: None,
        }
    }

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
                // A text to be translated: the same without.
                '$' if self.peek(0) == Some('"') => {}
                '$' if self.skip_separator() => self.end_word(),
                '$' | '<' | '>' if self.peek(0) == Some('(') => {
                    self.at += 1;
                    self.substitute(')', c != '$');
                }
                '`' => self.substitute('`', false),
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
                // Other blanks are letters to a shell.
                ' ' | '\t' => self.end_word(),
                c => self.push(c),
            }
        }
        self.end_command(false);
    }

    /// Passes over `$IFS`, which stands for a blank unless somebody has changed it.
    fn skip_separator(&mut self) -> bool {
        let rest = self.rest.get(self.at..).unwrap_or_default();
        let length = match rest {
            ['{', 'I', 'F', 'S', '}', ..] => 5,
            ['{', 'I', 'F', 'S', ':' | '%' | '#', ..] => {
                rest.iter().position(|c| *c == '}').map_or(rest.len(), |end| end + 1)
            }
            ['I', 'F', 'S', more @ ..] if !more.first().is_some_and(|c| c.is_alphanumeric() || *c == '_') => {
                3
            }
            _ => return false,
        };
        self.at += length;
        true
    }

    fn push(&mut self, c: char) {
        self.word.get_or_insert_default().text.push(c);
    }

    fn begin_quote(&mut self) {
        self.word.get_or_insert_default().is_quoted = true;
    }

    fn quote_single(&mut self) {
        self.begin_quote();
        while let Some(c) = self.peek(0) {
            self.at += 1;
            if c == '\'' {
                break;
            }
            self.push(c);
        }
    }

    fn quote_double(&mut self) {
        self.begin_quote();
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
                    self.substitute(')', false);
                }
                '`' => self.substitute('`', false),
                c => self.push(c),
            }
        }
    }

    /// `$'…'`, in which `\x72` and `\162` are letters.
    fn quote_escaped(&mut self) {
        self.begin_quote();
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
                        Some('x') => self.push_number(16, 2),
                        Some('u') => self.push_number(16, 4),
                        Some('U') => self.push_number(16, 8),
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

    /// The commands whose output stands here, up to their end; as a file (`<(…)`), where `is_file`.
    fn substitute(&mut self, end: char, is_file: bool) {
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
        let mut inside: String = self.rest.get(start..stop).unwrap_or_default().iter().collect();
        self.at += 1;
        if end == '`' {
            inside = without_escapes(&inside);
        } else if inside.split(|c: char| !c.is_alphanumeric()).any(|word| word == "case") {
            // The pattern of a `case` may end with a bracket that closes nothing.
            let all: String = self.rest.get(start..).unwrap_or_default().iter().collect();
            split_into(&all, self.depth + 1, self.found);
        }
        // What it prints is known of few commands; that there is something is of all.
        let before = self.found.all.len();
        split_into(&inside, self.depth + 1, self.found);
        let last = if self.found.all.len() > before { self.found.all.last() } else { None };
        let output = last.and_then(SimpleCommand::output).unwrap_or_default();
        let word = self.word.get_or_insert_default();
        if is_file {
            self.command.input.push_str(&output);
        } else if word.is_quoted {
            word.text.push_str(&output);
        } else {
            for (at, part) in output.split_whitespace().enumerate() {
                if at > 0 {
                    self.end_word();
                }
                self.word.get_or_insert_default().text.push_str(part);
            }
        }
    }

    /// The commands in a text in which quotes are letters.
    fn look_into_text(&mut self, text: &str) {
        let mut inner = Splitter::new(text, self.depth, self.found);
        while let Some(c) = inner.peek(0) {
            inner.at += 1;
            match c {
                '\\' => inner.at += 1,
                '$' if inner.peek(0) == Some('(') => {
                    inner.at += 1;
                    inner.substitute(')', false);
                }
                '`' => inner.substitute('`', false),
                _ => {}
            }
        }
    }

    fn redirect(&mut self, first: char) {
        // A number before it is a part of it, and so is a variable that takes one.
        let is_part = |word: &ShellWord| {
            let text = &word.text;
            text.chars().all(|c| c.is_ascii_digit())
                || (!word.is_quoted && text.len() > 2 && text.starts_with('{') && text.ends_with('}'))
        };
        if self.word.as_ref().is_some_and(is_part) {
            self.word = None;
        }
        self.end_word();
        if first == '<' && self.peek(0) == Some('<') {
            self.at += 1;
            if self.peek(0) == Some('<') {
                self.at += 1;
                self.redirected = Some(Redirection::Input);
                return;
            }
            let is_indented = self.peek(0) == Some('-');
            self.at += usize::from(is_indented);
            self.redirected = Some(Redirection::Document { is_indented });
            return;
        }
        while self.peek(0).is_some_and(|c| matches!(c, '>' | '&' | '|')) {
            self.at += 1;
        }
        self.redirected = Some(Redirection::Target);
    }

    fn end_word(&mut self) {
        let Some(ShellWord { text, is_quoted }) = self.word.take() else { return };
        match self.redirected.take() {
            Some(Redirection::Document { is_indented }) => {
                let reader = None;
                self.documents.push(HereDocument { end: text, is_indented, is_literal: is_quoted, reader });
            }
            Some(Redirection::Input) => self.command.input.push_str(&text),
            Some(Redirection::Target) => {}
            None if self.command.words.is_empty() && is_keyword(&text) => {}
            None if is_quoted => self.command.words.push(text),
            None => self.command.words.extend(expand_braces(&text)),
        }
    }

    fn end_command(&mut self, feeds_next: bool) {
        self.end_word();
        self.redirected = None;
        let mut command = std::mem::take(&mut self.command);
        command.reads = self.piped_from.take();
        if let Some(before) = command.reads
            && let Some(output) = self.found.all.get(before).and_then(SimpleCommand::output)
        {
            command.input.push_str(&output);
        }
        let reader = self.found.all.len();
        if !command.words.is_empty() {
            for document in self.documents.iter_mut().filter(|one| one.reader.is_none()) {
                document.reader = Some(reader);
            }
            self.found.all.push(command);
        }
        if feeds_next {
            // Behind a group it is what its last command says.
            self.piped_from = self.found.all.len().checked_sub(1);
        }
    }

    /// The lines behind this one that are the input of commands in it.
    fn read_documents(&mut self) {
        for document in std::mem::take(&mut self.documents) {
            let mut text = String::new();
            while self.at < self.rest.len() {
                let stop = (self.at..self.rest.len()).find(|at| self.rest.get(*at) == Some(&'\n'));
                let stop = stop.unwrap_or(self.rest.len());
                let line: String = self.rest.get(self.at..stop).unwrap_or_default().iter().collect();
                self.at = stop + 1;
                let line = if document.is_indented { line.trim_start_matches('\t') } else { &line };
                if line == document.end {
                    break;
                }
                text.push_str(line);
                text.push('\n');
            }
            self.give_input(document.reader, &text);
            if !document.is_literal {
                self.look_into_text(&text);
            }
        }
    }

    /// Gives a text to the command that reads it, and to those that it is piped on to.
    fn give_input(&mut self, reader: Option<usize>, text: &str) {
        let Some(mut reader) = reader else { return };
        let mut at = reader;
        while let Some(command) = self.found.all.get_mut(at) {
            if at == reader || command.reads == Some(reader) {
                command.input.push_str(text);
                if command.output().is_none() {
                    break;
                }
                reader = at;
            }
            at += 1;
        }
    }
}

/// A text in backquotes as the commands in it are read.
fn without_escapes(text: &str) -> String {
    let mut plain = String::new();
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\\' && matches!(chars.peek(), Some('`' | '\\' | '$')) {
            plain.extend(chars.next());
        } else {
            plain.push(c);
        }
    }
    plain
}

/// The words that one with braces stands for: `{rm,-rf}` is two.
fn expand_braces(word: &str) -> Vec<String> {
    let mut done = Vec::new();
    let mut left = vec![word.to_owned()];
    while let Some(word) = left.pop() {
        match split_braces(&word).filter(|_| left.len() + done.len() < MOST_WORDS) {
            None => done.push(word),
            Some((before, choices, after)) => {
                left.extend(choices.iter().rev().map(|choice| format!("{before}{choice}{after}")));
            }
        }
    }
    done
}

/// What stands before the first braces with a comma in them, what they have, and what stands behind.
fn split_braces(word: &str) -> Option<(&str, Vec<&str>, &str)> {
    for (start, _) in word.match_indices('{') {
        let (mut open, mut from, mut choices) = (0, start + 1, Vec::new());
        for (at, c) in word.get(start..)?.char_indices().map(|(at, c)| (start + at, c)) {
            match c {
                '{' => open += 1,
                '}' => open -= 1,
                ',' if open == 1 => {
                    choices.push(word.get(from..at)?);
                    from = at + 1;
                }
                _ => {}
            }
            if open == 0 {
                if choices.is_empty() {
                    break;
                }
                choices.push(word.get(from..at)?);
                return Some((word.get(..start)?, choices, word.get(at + 1..)?));
            }
        }
    }
    None
}

/// Words before a command that are not its name.
fn is_keyword(word: &str) -> bool {
    matches!(
        word,
        "if" | "then"
            | "else"
            | "elif"
            | "do"
            | "while"
            | "until"
            | "!"
            | "{"
            | "}"
            | "fi"
            | "done"
            | "esac"
            | "coproc"
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
                split_commands(line).all.into_iter().map(|command| command.words).collect();
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
        check("{rm,-rf,x{1,2}} '{a,b}' {c} a{,b}", &[&["rm", "-rf", "x1", "x2", "{a,b}", "{c}", "a", "ab"]]);
        check("rm$IFS-rf${IFS}x \"$IFS\" $IFSX", &[&["rm", "-rf", "x", "$IFS", "$IFSX"]]);
        check("a\u{a0}# b\r#c", &[&["a\u{a0}#", "b\r#c"]]);
        check("$'\\x64d' $\"rm\" $'\\U0000006d'", &[&["dd", "rm", "m"]]);
        check("{fd}>x a 3<y", &[&["a"]]);
        check(
            "echo $(case x in x) rm y;; esac)",
            &[&["case", "x", "in", "x"], &["rm", "y"], &["case", "x", "in", "x"], &["echo", "", "rm", "y"]],
        );
        check("a `b \\`c\\``", &[&["c"], &["b", ""], &["a", ""]]);
        check("$(echo rm -rf) x", &[&["echo", "rm", "-rf"], &["rm", "-rf", "x"]]);
        check("cat <<E\n$(a) \"it's `b`\nE\nc", &[&["cat"], &["a"], &["b"], &["c"]]);
        check("cat <<'E'\n$(a)\nE\nc", &[&["cat"], &["c"]]);
        check("cat <<E\n\tE\n'\nE\nc #'", &[&["cat"], &["c"]]);
        check("cat <<-E\n\tE\nc", &[&["cat"], &["c"]]);
        check("", &[]);
    }

    #[test]
    fn what_a_command_reads_is_known_where_it_stands_there() {
        let input = |line: &str| split_commands(line).all.pop().unwrap().input;
        assert_eq!(input("sh <<'EOF'\nrm -rf x\nEOF\n"), "rm -rf x\n");
        assert_eq!(input("bash <<< 'rm x'"), "rm x");
        assert_eq!(input("echo rm -rf x | sh"), "rm -rf x");
        assert_eq!(input("cat x | sh"), "");
        assert_eq!(input("cat <<E | sh\nrm x\nE"), "rm x\n");
        assert_eq!(input("echo rm x | cat | sh"), "rm x");
        assert_eq!(input("cat <<E; sh\nrm x\nE"), "");
        assert_eq!(input("(echo rm x) | sh -s \"$(true)\""), "rm x");
        assert_eq!(input("sh <(echo rm x)"), "rm x");
        assert_eq!(input("sh < <(printf rm)"), "rm");
        let both = split_commands("sh <<A && cat <<B\nrm x\nA\ny\nB\n").all;
        assert_eq!((both[0].input.as_str(), both[1].input.as_str()), ("rm x\n", "y\n"));
    }

    #[test]
    fn what_is_too_much_is_cut_and_said() {
        let deep = format!("{}a{}", "$(".repeat(20), ")".repeat(20));
        for line in ["x".repeat(LONGEST + 1), deep, "$(case ".repeat(3_000)] {
            assert!(split_commands(&line).is_cut);
        }
        assert!(!split_commands(&"a; ".repeat(50_000)).is_cut);
        assert_eq!(expand_braces(&"{a,b}".repeat(30)).len() / MOST_WORDS, 1);
    }

    proptest! {
        #[test]
        fn no_line_makes_it_panic(line in "[a-z '\"\\\\$(){}`<>|&;#\n0-9=-]{0,60}") {
            let _ = split_commands(&line);
        }
    }
}
