//! The `lamport` command. All of it is in the library, because the Python wheel carries it too.

fn main() -> std::process::ExitCode {
    lamport_clock::cli::run_main(std::env::args_os().collect()).into()
}
