//! The program as it is, for tests that run it as a process of its own.

use std::process::ExitCode;

fn main() -> ExitCode {
    cxwatch::cli::main()
}
