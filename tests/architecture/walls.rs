//! What may be done only in certain rooms or files, and how large things may grow.

use proc_macro2::Span;
use syn::spanned::Spanned;
use syn::visit::{self, Visit};

use crate::sources::{self, Source, files_under, is_test, project};

/// Rooms that wait for something. All others are plain functions, and are tested without waiting.
const ASYNC_ROOMS: [&str; 3] = ["cli", "host", "run"];

/// The files of other rooms that wait: the library of HTTP/2 speaks no other way.
const ASYNC_FILES: [&str; 3] = ["src/agent/probe_http2.rs", "src/loadgen/http2.rs", "src/loadgen/http2_wire.rs"];

/// Files that start processes: one place for programs, the shim that becomes one, the agent's own start, and the peers that
/// benches measure us beside, with their servers.
const STARTERS: [&str; 7] = [
    "src/agent/process.rs",
    "src/agent/shim.rs",
    "src/cli/bench/load/generator.rs",
    "src/cli/bench/load/peers.rs",
    "src/cli/bench/load/server.rs",
    "src/cli/bench/machines.rs",
    "src/host/local.rs",
];

/// Files with `unsafe` code: io_uring shares memory with the kernel, and no safe crate sets the scheduler class or removes a
/// System V segment.
const UNSAFE: [&str; 3] = ["src/agent/shared_memory.rs", "src/loadgen/ring.rs", "src/loadgen/scheduler.rs"];

const MOST_LINES_OF_A_FILE: usize = 500;
const MOST_LINES_OF_A_FUNCTION: usize = 100;

/// What a file does, by line.
#[derive(Default)]
struct Found {
    in_tests: bool,
    waits: Vec<usize>,
    dares: Vec<usize>,
    functions: Vec<(String, usize, usize)>,
}

impl Found {
    fn of(source: &Source) -> Self {
        let mut found = Self { in_tests: source.is_test, ..Self::default() };
        found.visit_file(&source.file);
        found
    }

    fn function(&mut self, signature: &syn::Signature, whole: Span) {
        let (first, last) = (whole.start().line, whole.end().line);
        self.functions.push((signature.ident.to_string(), first, last - first + 1));
        if signature.asyncness.is_some() && !self.in_tests {
            self.waits.push(first);
        }
        if signature.unsafety.is_some() {
            self.dares.push(first);
        }
    }

    fn within_tests(&mut self, test: bool, look: impl FnOnce(&mut Self)) {
        let was = self.in_tests;
        self.in_tests |= test;
        look(self);
        self.in_tests = was;
    }
}

impl<'ast> Visit<'ast> for Found {
    fn visit_item_mod(&mut self, item: &'ast syn::ItemMod) {
        self.within_tests(is_test(&item.attrs), |found| visit::visit_item_mod(found, item));
    }

    fn visit_item_fn(&mut self, item: &'ast syn::ItemFn) {
        self.within_tests(is_test(&item.attrs), |found| {
            found.function(&item.sig, item.block.span());
            visit::visit_item_fn(found, item);
        });
    }

    fn visit_impl_item_fn(&mut self, item: &'ast syn::ImplItemFn) {
        self.function(&item.sig, item.block.span());
        visit::visit_impl_item_fn(self, item);
    }

    fn visit_expr_async(&mut self, item: &'ast syn::ExprAsync) {
        if !self.in_tests {
            self.waits.push(item.span().start().line);
        }
        visit::visit_expr_async(self, item);
    }

    fn visit_expr_unsafe(&mut self, item: &'ast syn::ExprUnsafe) {
        self.dares.push(item.span().start().line);
    }

    fn visit_item_impl(&mut self, item: &'ast syn::ItemImpl) {
        if item.unsafety.is_some() {
            self.dares.push(item.span().start().line);
        }
        visit::visit_item_impl(self, item);
    }

    fn visit_item_foreign_mod(&mut self, item: &'ast syn::ItemForeignMod) {
        self.dares.push(item.span().start().line);
    }
}

#[test]
fn only_the_edge_waits() {
    for source in sources::all() {
        let Some(room) = source.room().filter(|room| !ASYNC_ROOMS.contains(room)) else { continue };
        let waits = Found::of(&source).waits;
        let may = ASYNC_FILES.contains(&source.path.as_str());
        assert!(waits.is_empty() || may, "{}: async code in `{room}`, at lines {waits:?}", source.path);
        assert!(!waits.is_empty() || !may, "{} no longer waits: take it out of the list", source.path);
    }
}

#[test]
fn only_a_few_files_start_processes() {
    let is_command = |path: &[String]| matches!(path, [base, process, command, ..] if (base == "std" || base == "tokio") && process == "process" && command == "Command");
    for source in sources::all().iter().filter(|source| !STARTERS.contains(&source.path.as_str())) {
        for mention in source.mentions() {
            assert!(!is_command(&mention.path), "{}:{} names a process to start", source.path, mention.line);
        }
    }
    for starter in STARTERS {
        assert!(project().join(starter).is_file(), "{starter} is gone: take it out of the list");
    }
}

#[test]
fn only_a_few_files_are_unsafe() {
    for source in sources::all().iter().filter(|source| !UNSAFE.contains(&source.path.as_str())) {
        let dares = Found::of(source).dares;
        assert!(dares.is_empty(), "{}: unsafe code at lines {dares:?}", source.path);
    }
    for path in UNSAFE {
        let dares = sources::all().iter().any(|source| source.path == path && !Found::of(source).dares.is_empty());
        assert!(dares, "{path} has no unsafe code: take it out of the list");
    }
}

#[test]
fn no_file_is_too_long() {
    let folders = ["src", "tests", "benches", "examples"].map(|folder| project().join(folder));
    let mut sizes: Vec<(usize, String)> = folders
        .iter()
        .flat_map(|folder| files_under(folder, ".rs"))
        .map(|path| {
            let lines = std::fs::read_to_string(&path).map_or(0, |text| text.lines().count());
            (lines, path.strip_prefix(project()).unwrap_or(&path).display().to_string())
        })
        .collect();
    sizes.sort();
    let worst = &sizes[sizes.len().saturating_sub(5)..];
    assert!(worst.iter().all(|(lines, _)| *lines <= MOST_LINES_OF_A_FILE), "the longest files: {worst:?}");
}

#[test]
fn no_function_is_too_long() {
    let mut sizes: Vec<(usize, String)> = Vec::new();
    for source in sources::all() {
        let of_file = Found::of(&source).functions;
        sizes.extend(
            of_file.into_iter().map(|(name, line, lines)| (lines, format!("{name} at {}:{line}", source.path))),
        );
    }
    sizes.sort();
    let worst = &sizes[sizes.len().saturating_sub(5)..];
    assert!(worst.iter().all(|(lines, _)| *lines <= MOST_LINES_OF_A_FUNCTION), "the longest functions: {worst:?}");
}

#[test]
fn files_begin_with_their_job() {
    // A file of tests only stands beside the file that it tests, which says it.
    for source in sources::all().iter().filter(|source| !source.is_test) {
        assert!(source.text.starts_with("//!"), "{} does not say what it is for", source.path);
    }
}
