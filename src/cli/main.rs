//! From arguments to a command, and from its end to an exit code.

use std::io::Write;
use std::process::ExitCode;

use clap::Parser;

use crate::cli::arguments::{Arguments, Command};
use crate::cli::error::Problem;
use crate::cli::{
    agent, bench, campaign, clean, doctor, dry_run, exit, files, generated, hist, load, restore, resume, stored, truth,
};

/// Runs the command that the arguments ask for.
pub fn main() -> ExitCode {
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // Help and version go to standard output and are fine; a wrong argument is the user's.
            let _ = error.print();
            return ExitCode::from(if error.use_stderr() { exit::WRONG_INPUT } else { exit::FINE });
        }
    };
    match carry_out(arguments) {
        Ok(code) => ExitCode::from(code),
        Err(problem) => {
            let text = problem.text();
            if !text.is_empty() {
                let _ = writeln!(std::io::stderr().lock(), "{text}");
            }
            ExitCode::from(problem.code)
        }
    }
}

fn carry_out(arguments: Arguments) -> Result<u8, Problem> {
    let format = arguments.message_format;
    match arguments.command {
        Command::Check(wanted) => files::check(&wanted, format),
        Command::Plan(wanted) => files::plan(&wanted, format),
        Command::Run(wanted) if wanted.dry_run => dry_run::dry_run(&wanted, format),
        Command::Run(wanted) => campaign::run(&wanted, format),
        Command::Resume(wanted) => resume::resume(&wanted, format),
        Command::Doctor(wanted) => doctor::doctor(&wanted, format),
        Command::Clean(wanted) => clean::clean(&wanted, format),
        Command::Restore(wanted) => restore::restore(&wanted, format),
        Command::Unlock(wanted) => restore::unlock(&wanted, format),
        Command::List(store) => stored::list(&store, format),
        Command::Show(wanted) => stored::show(&wanted, format),
        Command::Report(wanted) => stored::report(&wanted),
        Command::Rules => stored::rules(format),
        Command::Load(wanted) => load::load(&wanted, format),
        Command::Hist(wanted) => hist::hist(&wanted, format),
        Command::Bench(wanted) => bench::bench(&wanted, format),
        Command::Schema { write } => generated::schema(write.as_deref()),
        Command::Completions { shell } => generated::completions(shell),
        Command::Man { write } => generated::man(write.as_deref()),
        Command::Truth(wanted) => truth::truth(&wanted),
        Command::Agent { state_dir } => agent::serve(state_dir),
        Command::Sweep { work } => agent::sweep(&work),
        Command::Limit => agent::limit(),
        Command::Exec(shim) => agent::exec(shim),
    }
}

/// Prints a result. A reader that has seen enough (`| head`) is no error.
pub fn print(text: &str) -> Result<(), Problem> {
    let mut stdout = std::io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != std::io::ErrorKind::BrokenPipe => Err(error.into()),
        _ => Ok(()),
    }
}
