//! The `timetrial` command.

fn main() -> std::process::ExitCode {
    timetrial::cli::main()
}
