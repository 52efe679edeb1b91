//! The program `driftless`; everything is in the library beside it.

use std::process::ExitCode;

fn main() -> ExitCode {
    driftless::main()
}
