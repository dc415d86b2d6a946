//! The `lamport` command. All of it is in a library, since the Python wheel carries it too.

fn main() -> std::process::ExitCode {
    lamport_cli::run_main(std::env::args_os().collect()).into()
}
