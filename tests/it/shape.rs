//! The shape of the code, measured: circles between files, names that mean several things,
//! functions that do not fit a screen. What is not as it should be yet stands in a list here
//! that may only get shorter.
//!
//! The figures: `cargo test --test it shape -- --nocapture`.

use std::collections::{BTreeMap, BTreeSet};

use syn::visit::{self, Visit};

use crate::floors::sources;

/// Files that use each other, directly or around others; a file and the files below it count
/// as one, as a module and its parts are read together.
const CIRCLES: &[&[&str]] = &[];

/// A type name stands in one file. These still stand in several.
const TYPES_IN_SEVERAL_FILES: &[&str] = &[];

/// Share of function names that are one word, in percent; a name that is used elsewhere says
/// what is done to what.
const ONE_WORD_NAMES: usize = 17;

/// Letters of a function's name, at least, on average over all names.
const LETTERS_OF_A_NAME: usize = 11;

/// Lines of the longest function.
const LONGEST_FUNCTION: usize = 70;

/// Files that are looked at: may only grow.
const FILES: usize = 203;

/// Share of public items that say what they are, in percent.
const DESCRIBED: usize = 90;

/// How the names of the program's other crates begin where they are used.
const LIBRARY: &str = "ba_agent_";

type Module = Vec<String>;

/// What one file of the program, without its tests, defines and uses.
#[derive(Default)]
struct File {
    module: Module,
    uses: BTreeSet<Module>,
    types: BTreeSet<String>,
    functions: Vec<Function>,
    /// Public items, and how many of them have a description.
    public: usize,
    described: usize,
    /// Public functions that can fail and do not say when.
    unsaid: Vec<String>,
}

struct Function {
    name: String,
    lines: usize,
}

/// The program's files, of all crates; those that exist for tests and fuzzers are left out. The
/// first part of a module is the folder of its crate.
fn files() -> Vec<File> {
    let mut files = Vec::new();
    for source in sources().into_iter().filter(|source| !source.is_for_tests()) {
        let text = std::fs::read_to_string(&source.path).unwrap();
        let parsed = syn::parse_file(&text).unwrap_or_else(|e| panic!("{}: {e}", source.path.display()));
        let module = [vec![source.package], source.module].concat();
        let mut file = File { module, ..File::default() };
        file.visit_file(&parsed);
        files.push(file);
    }
    assert!(files.len() >= FILES, "only {} files: does this test still read the code?", files.len());
    files
}

impl File {
    /// Notes a path as a file uses it: from the top, from above, or from here.
    fn note(&mut self, path: &[String]) {
        let (mut at, mut rest) = (self.module.clone(), path);
        match rest.split_first() {
            Some((first, tail)) if first == "crate" => {
                at.truncate(1);
                rest = tail;
            }
            Some((first, tail)) if first.starts_with(LIBRARY) => {
                at = vec![first[LIBRARY.len()..].to_owned()];
                rest = tail;
            }
            Some((first, tail)) if first == "self" => rest = tail,
            _ => {}
        }
        while let Some((first, tail)) = rest.split_first()
            && first == "super"
        {
            at.pop();
            rest = tail;
        }
        at.extend(rest.iter().cloned());
        self.uses.insert(at);
    }

    fn note_tree(&mut self, before: &[String], tree: &syn::UseTree) {
        let with = |name: &syn::Ident| [before, &[name.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.note_tree(&with(&path.ident), &path.tree),
            syn::UseTree::Name(name) => self.note(&with(&name.ident)),
            syn::UseTree::Rename(rename) => self.note(&with(&rename.ident)),
            syn::UseTree::Glob(_) => self.note(before),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.note_tree(before, item)),
        }
    }

    fn function(&mut self, signature: &syn::Signature, end: proc_macro2::Span) {
        let lines = end.end().line - signature.fn_token.span.start().line + 1;
        self.functions.push(Function { name: signature.ident.to_string(), lines });
    }

    /// Notes a public function that returns a `Result` and has no paragraph `# Errors`.
    fn fallible(&mut self, visibility: &syn::Visibility, attributes: &[syn::Attribute], of: &syn::Signature) {
        if matches!(visibility, syn::Visibility::Inherited) || !is_result(&of.output) {
            return;
        }
        let says_when = |attribute: &syn::Attribute| {
            let syn::Meta::NameValue(doc) = &attribute.meta else { return false };
            let syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(line), .. }) = &doc.value else {
                return false;
            };
            line.value().trim() == "# Errors"
        };
        if !attributes.iter().any(says_when) {
            self.unsaid.push(format!("{}: {}", self.module.join("/"), of.ident));
        }
    }

    fn item(&mut self, visibility: &syn::Visibility, attributes: &[syn::Attribute]) {
        if !matches!(visibility, syn::Visibility::Inherited) {
            self.public += 1;
            self.described += usize::from(attributes.iter().any(|a| a.path().is_ident("doc")));
        }
    }
}

/// True for `Result<…>` under any path, and for the name that a pack's readers have for theirs.
fn is_result(output: &syn::ReturnType) -> bool {
    let syn::ReturnType::Type(_, returned) = output else { return false };
    let syn::Type::Path(path) = returned.as_ref() else { return false };
    path.path.segments.last().is_some_and(|last| last.ident == "Result" || last.ident == "Tried")
}

/// True for what is compiled for tests alone.
pub(crate) fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let syn::Meta::List(list) = &attribute.meta else { return attribute.path().is_ident("test") };
        let condition = list.tokens.to_string();
        list.path.is_ident("cfg")
            && (condition == "test"
                || condition.starts_with("all (test")
                || condition.starts_with("any (test"))
    })
}

impl<'ast> Visit<'ast> for File {
    fn visit_item(&mut self, item: &'ast syn::Item) {
        let attributes = match item {
            syn::Item::Mod(item) => &item.attrs,
            syn::Item::Fn(item) => &item.attrs,
            syn::Item::Impl(item) => &item.attrs,
            syn::Item::Use(item) => &item.attrs,
            syn::Item::Struct(item) => &item.attrs,
            syn::Item::Enum(item) => &item.attrs,
            syn::Item::Trait(item) => &item.attrs,
            syn::Item::Macro(item) => &item.attrs,
            _ => return visit::visit_item(self, item),
        };
        if !is_test(attributes) {
            visit::visit_item(self, item);
        }
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.note_tree(&[], &item.tree);
    }

    fn visit_item_struct(&mut self, item: &'ast syn::ItemStruct) {
        self.types.insert(item.ident.to_string());
        self.item(&item.vis, &item.attrs);
        visit::visit_item_struct(self, item);
    }

    fn visit_item_enum(&mut self, item: &'ast syn::ItemEnum) {
        self.types.insert(item.ident.to_string());
        self.item(&item.vis, &item.attrs);
        visit::visit_item_enum(self, item);
    }

    fn visit_item_trait(&mut self, item: &'ast syn::ItemTrait) {
        self.types.insert(item.ident.to_string());
        self.item(&item.vis, &item.attrs);
        visit::visit_item_trait(self, item);
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.function(&item.sig, item.block.brace_token.span.close());
        self.item(&item.vis, &item.attrs);
        self.fallible(&item.vis, &item.attrs, &item.sig);
        visit::visit_item_fn(self, item);
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        if is_test(&item.attrs) {
            return;
        }
        self.function(&item.sig, item.block.brace_token.span.close());
        self.item(&item.vis, &item.attrs);
        self.fallible(&item.vis, &item.attrs, &item.sig);
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let names: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        self.note(&names);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, call: &'ast syn::Macro) {
        self.note_tokens(call.tokens.clone());
        visit::visit_macro(self, call);
    }
}

impl File {
    /// Notes the paths that stand in the arguments of a macro, which is not parsed as code.
    fn note_tokens(&mut self, tokens: proc_macro2::TokenStream) {
        let mut path = Module::new();
        let mut joined = true;
        for token in tokens {
            match token {
                proc_macro2::TokenTree::Ident(name) => {
                    if !joined {
                        self.note(&std::mem::take(&mut path));
                    }
                    path.push(name.to_string());
                    joined = false;
                }
                proc_macro2::TokenTree::Punct(mark) if mark.as_char() == ':' => joined = true,
                proc_macro2::TokenTree::Group(group) => {
                    self.note(&std::mem::take(&mut path));
                    self.note_tokens(group.stream());
                }
                _ => self.note(&std::mem::take(&mut path)),
            }
        }
        self.note(&path);
    }
}

type Graph = BTreeMap<Module, BTreeSet<Module>>;

/// Which file uses which; a path belongs to the deepest file that it goes through.
fn graph(files: &[File]) -> Graph {
    let known: BTreeSet<&Module> = files.iter().map(|file| &file.module).collect();
    let owner = |path: &Module| {
        (1..=path.len()).rev().map(|length| path[..length].to_vec()).find(|part| known.contains(part))
    };
    let edges = |file: &File| {
        let mut edges: BTreeSet<Module> = file.uses.iter().filter_map(owner).collect();
        edges.remove(&file.module);
        edges
    };
    files.iter().map(|file| (file.module.clone(), edges(file))).collect()
}

/// Everything that `start` leads to, itself only over others.
fn reachable(graph: &Graph, start: &Module) -> BTreeSet<Module> {
    let mut seen = BTreeSet::new();
    let mut open = vec![start];
    while let Some(module) = open.pop() {
        for next in graph.get(module).into_iter().flatten() {
            if seen.insert(next.clone()) {
                open.push(next);
            }
        }
    }
    seen
}

/// The groups of files that lead to each other.
fn circles(graph: &Graph) -> Vec<BTreeSet<Module>> {
    let reach: BTreeMap<&Module, _> = graph.keys().map(|module| (module, reachable(graph, module))).collect();
    let mut found: Vec<BTreeSet<Module>> = Vec::new();
    for (module, ahead) in &reach {
        if !ahead.contains(*module) || found.iter().any(|circle| circle.contains(*module)) {
            continue;
        }
        let both = ahead.iter().filter(|other| reach.get(other).is_some_and(|back| back.contains(*module)));
        found.push(both.cloned().collect());
    }
    found
}

fn without_kin(graph: &Graph) -> Graph {
    let is_kin = |a: &Module, b: &Module| a.starts_with(b) || b.starts_with(a);
    let edges = |(module, edges): (&Module, &BTreeSet<Module>)| {
        (module.clone(), edges.iter().filter(|other| !is_kin(module, other)).cloned().collect())
    };
    graph.iter().map(edges).collect()
}

fn in_several(files: &[File]) -> Vec<String> {
    let mut counts: BTreeMap<&str, usize> = BTreeMap::new();
    for name in files.iter().flat_map(|file| &file.types) {
        *counts.entry(name).or_default() += 1;
    }
    counts.into_iter().filter(|(_, count)| *count > 1).map(|(name, _)| name.to_owned()).collect()
}

#[test]
fn no_new_circle_of_files() {
    let files = files();
    let graph = graph(&files);
    assert!(graph.values().map(BTreeSet::len).sum::<usize>() > 400, "does this test still read the code?");
    let found = circles(&without_kin(&graph));
    let shown = |circle: &BTreeSet<Module>| circle.iter().map(|module| module.join("/")).collect::<Vec<_>>();
    for circle in found.iter().map(shown) {
        println!("circle: {}", circle.join(" "));
        let is_known =
            CIRCLES.iter().any(|known| circle.iter().all(|module| known.contains(&module.as_str())));
        assert!(is_known, "these files use each other: {}", circle.join(", "));
    }
    assert_eq!(found.len(), CIRCLES.len(), "a circle is gone: take it out of the list");
    let all = circles(&graph);
    println!("files on a circle, with parents: {}", all.iter().map(BTreeSet::len).sum::<usize>());
    println!("largest: {}", all.iter().map(BTreeSet::len).max().unwrap_or(0));
}

#[test]
fn what_can_fail_says_when() {
    let unsaid: Vec<String> = files().into_iter().flat_map(|file| file.unsaid).collect();
    assert!(unsaid.is_empty(), "these have no paragraph `# Errors`: {unsaid:#?}");
}

#[test]
fn names_and_lengths_do_not_get_worse() {
    let files = files();
    let several = in_several(&files);
    let functions: Vec<&Function> = files.iter().flat_map(|file| &file.functions).collect();
    let names: BTreeSet<&str> = functions.iter().map(|function| function.name.as_str()).collect();
    let letters: usize = names.iter().map(|name| name.len()).sum();
    let one_word = names.iter().filter(|name| !name.contains('_')).count() * 100 / names.len();
    let sum = |of: fn(&File) -> usize| files.iter().map(of).sum::<usize>();
    let (public, described) = (sum(|file| file.public), sum(|file| file.described));
    println!("types in several files: {} of {}", several.len(), sum(|file| file.types.len()));
    println!(
        "one-word function names: {one_word} %, mean {:.1} letters",
        letters as f64 / names.len() as f64
    );
    println!("public items with a description: {} %", described * 100 / public);
    let is_known = |name: &String| TYPES_IN_SEVERAL_FILES.contains(&name.as_str());
    let new: Vec<_> = several.iter().filter(|name| !is_known(name)).collect();
    assert!(new.is_empty(), "these types stand in several files: {new:?}");
    let gone = TYPES_IN_SEVERAL_FILES.iter().filter(|known| !several.iter().any(|name| name == *known));
    assert_eq!(gone.collect::<Vec<_>>(), [&""; 0], "one file each now: take them out of the list");
    assert!(described * 100 >= public * DESCRIBED, "{described} of {public} public items say what they are");
    assert!(one_word <= ONE_WORD_NAMES, "{one_word} % of the function names are one word");
    assert!(letters >= LETTERS_OF_A_NAME * names.len(), "{letters} letters in {} names", names.len());
    let longest = functions.iter().max_by_key(|function| function.lines).unwrap();
    assert!(longest.lines <= LONGEST_FUNCTION, "`{}` has {} lines", longest.name, longest.lines);
}
