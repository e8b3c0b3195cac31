//! Every file of `src`, parsed, with the names it mentions.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};

use proc_macro2::{TokenStream, TokenTree};
use syn::visit::{self, Visit};

/// A parsed file.
pub struct Source {
    /// Its path in the project, with `/`.
    pub path: String,
    /// Its text.
    pub text: String,
    /// What it says.
    pub file: syn::File,
    /// Where it stands in the tree of modules: `["tool", "wrk"]`.
    pub module: Vec<String>,
    /// Whether the whole file is only there for tests.
    pub is_test: bool,
}

impl Source {
    /// The room it belongs to; nothing for `lib.rs` and `main.rs`.
    pub fn room(&self) -> Option<&str> {
        self.module.first().map(String::as_str)
    }

    /// Every path that it mentions.
    pub fn mentions(&self) -> Vec<Mention> {
        let mut finder = Finder { module: self.module.clone(), in_tests: self.is_test, found: Vec::new() };
        finder.visit_file(&self.file);
        finder.found
    }
}

/// A path that a file mentions.
#[derive(Debug)]
pub struct Mention {
    /// Its segments, `super` and `self` already followed, so that it begins with `crate` or an outside crate.
    pub path: Vec<String>,
    /// The line.
    pub line: usize,
    /// Whether it stands in code that is only there for tests.
    pub in_tests: bool,
    /// Whether it is a `use super::*` or the like: the glob of a module above.
    pub is_glob_of_super: bool,
}

impl Mention {
    /// The room that it leads into, if it leads into this crate.
    pub fn room(&self) -> Option<&str> {
        match self.path.as_slice() {
            [first, room, ..] if first == "crate" || first == "timetrial" => Some(room),
            _ => None,
        }
    }
}

/// The project's folder.
pub fn project() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// All files of a folder whose names end so, in order.
pub fn files_under(folder: &Path, ending: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.is_dir() {
            found.extend(files_under(&path, ending));
        } else if path.to_string_lossy().ends_with(ending) {
            found.push(path);
        }
    }
    found.sort();
    found
}

/// Every file of `src`.
pub fn all() -> Vec<Source> {
    let root = project().join("src");
    let mut sources: Vec<Source> = files_under(&root, ".rs").iter().map(|path| parse(path, &root)).collect();
    let only_for_tests: BTreeSet<String> = sources.iter().flat_map(test_files).collect();
    for source in &mut sources {
        source.is_test = only_for_tests.contains(&source.path);
    }
    assert!(sources.len() > 100, "only {} files were found", sources.len());
    sources
}

fn parse(path: &Path, root: &Path) -> Source {
    let text = std::fs::read_to_string(path).expect("sources are UTF-8");
    let file = syn::parse_file(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let relative = path.strip_prefix(root).expect("it was found there").to_string_lossy().into_owned();
    let mut module: Vec<String> = relative.trim_end_matches(".rs").split('/').map(str::to_owned).collect();
    if matches!(module.last().map(String::as_str), Some("mod" | "lib" | "main")) && module != ["cli", "main"] {
        module.pop();
    }
    Source { path: format!("src/{relative}"), text, file, module, is_test: false }
}

/// Files that a source declares with `#[cfg(test)] mod name;`.
fn test_files(source: &Source) -> Vec<String> {
    let folder = match source.path.strip_suffix("/mod.rs") {
        Some(folder) => folder.to_owned(),
        None => source.path.trim_end_matches(".rs").to_owned(),
    };
    let parent = source.path.rsplit_once('/').map_or("", |(parent, _)| parent);
    let declared = source.file.items.iter().filter_map(|item| match item {
        syn::Item::Mod(module) if module.content.is_none() && is_test(&module.attrs) => Some(module),
        _ => None,
    });
    declared
        .map(|module| match path_attribute(&module.attrs) {
            Some(path) => format!("{parent}/{path}"),
            None => format!("{folder}/{}.rs", module.ident),
        })
        .collect()
}

fn path_attribute(attributes: &[syn::Attribute]) -> Option<String> {
    attributes.iter().find_map(|attribute| match &attribute.meta {
        syn::Meta::NameValue(pair) if pair.path.is_ident("path") => match &pair.value {
            syn::Expr::Lit(syn::ExprLit { lit: syn::Lit::Str(text), .. }) => Some(text.value()),
            _ => None,
        },
        _ => None,
    })
}

/// Whether attributes say `#[cfg(test)]` or `#[test]`.
pub fn is_test(attributes: &[syn::Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        let is_cfg_test = attribute.path().is_ident("cfg")
            && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test");
        is_cfg_test || attribute.path().segments.last().is_some_and(|segment| segment.ident == "test")
    })
}

struct Finder {
    module: Vec<String>,
    in_tests: bool,
    found: Vec<Mention>,
}

impl Finder {
    fn mention(&mut self, segments: &[String], line: usize, is_glob: bool) {
        let mut above = 0;
        let mut rest = segments;
        while let Some((first, others)) = rest.split_first() {
            match first.as_str() {
                "super" => above += 1,
                "self" => {}
                _ => break,
            }
            rest = others;
        }
        let is_relative = rest.len() < segments.len();
        let mut path = Vec::new();
        if is_relative {
            path.push("crate".to_owned());
            path.extend(self.module.iter().take(self.module.len().saturating_sub(above)).cloned());
        }
        path.extend(rest.iter().cloned());
        let is_glob_of_super = is_glob && above > 0 && rest.is_empty();
        self.found.push(Mention { path, line, in_tests: self.in_tests, is_glob_of_super });
    }

    fn use_tree(&mut self, tree: &syn::UseTree, before: &[String]) {
        let with = |ident: &syn::Ident| [before, &[ident.to_string()]].concat();
        match tree {
            syn::UseTree::Path(path) => self.use_tree(&path.tree, &with(&path.ident)),
            syn::UseTree::Name(name) => self.mention(&with(&name.ident), name.ident.span().start().line, false),
            syn::UseTree::Rename(name) => self.mention(&with(&name.ident), name.ident.span().start().line, false),
            syn::UseTree::Glob(glob) => self.mention(before, glob.star_token.spans[0].start().line, true),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.use_tree(item, before)),
        }
    }

    /// Macros are not parsed by `syn`, and attributes name functions in texts: both are searched for `crate::room`.
    fn tokens(&mut self, tokens: TokenStream) {
        let tokens: Vec<TokenTree> = tokens.into_iter().collect();
        for (place, token) in tokens.iter().enumerate() {
            match token {
                TokenTree::Group(group) => self.tokens(group.stream()),
                TokenTree::Ident(ident) if ident == "crate" || ident == "super" => {
                    let path = path_from(&tokens[place..]);
                    self.mention(&path, ident.span().start().line, false);
                }
                TokenTree::Literal(literal) => {
                    let text = literal.to_string();
                    if let Some(path) = text.trim_matches('"').strip_prefix("crate::") {
                        let path: Vec<String> =
                            std::iter::once("crate").chain(path.split("::")).map(str::to_owned).collect();
                        self.mention(&path, literal.span().start().line, false);
                    }
                }
                _ => {}
            }
        }
    }
}

/// `a :: b :: c` out of loose tokens.
fn path_from(tokens: &[TokenTree]) -> Vec<String> {
    let is_colon = |token: Option<&TokenTree>| matches!(token, Some(TokenTree::Punct(colon)) if colon.as_char() == ':');
    let mut path = Vec::new();
    let mut place = 0;
    while let Some(TokenTree::Ident(ident)) = tokens.get(place) {
        path.push(ident.to_string());
        if !is_colon(tokens.get(place + 1)) || !is_colon(tokens.get(place + 2)) {
            break;
        }
        place += 3;
    }
    path
}

impl<'ast> Visit<'ast> for Finder {
    fn visit_item_mod(&mut self, module: &'ast syn::ItemMod) {
        let was = self.in_tests;
        self.in_tests |= is_test(&module.attrs);
        if module.content.is_some() {
            self.module.push(module.ident.to_string());
            visit::visit_item_mod(self, module);
            self.module.pop();
        }
        self.in_tests = was;
    }

    fn visit_item_use(&mut self, item: &'ast syn::ItemUse) {
        self.use_tree(&item.tree, &[]);
    }

    fn visit_path(&mut self, path: &'ast syn::Path) {
        let segments: Vec<String> = path.segments.iter().map(|segment| segment.ident.to_string()).collect();
        let line = path.segments.first().map_or(0, |segment| segment.ident.span().start().line);
        self.mention(&segments, line, false);
        visit::visit_path(self, path);
    }

    fn visit_macro(&mut self, item: &'ast syn::Macro) {
        self.tokens(item.tokens.clone());
        visit::visit_macro(self, item);
    }

    fn visit_attribute(&mut self, attribute: &'ast syn::Attribute) {
        // A link in a comment is no dependency.
        if let syn::Meta::List(list) = &attribute.meta {
            self.tokens(list.tokens.clone());
        }
    }
}
