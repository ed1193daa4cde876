//! The `tidegate` command.

use std::process::ExitCode;

#[global_allocator]
static ALLOCATOR: mimalloc::MiMalloc = mimalloc::MiMalloc;

fn main() -> ExitCode {
    // The allocator asks for huge pages. A read buffer of which a connection has touched one page would then cost all of
    // it: an open event stream 116 KB instead of 45. Where the kernel refuses, it only costs more.
    let _ = rustix::thread::disable_transparent_huge_pages(true);
    match tidegate::cli::main() {
        Ok(code) => code,
        Err(error) => {
            use std::io::Write;
            let _ = writeln!(std::io::stderr(), "tidegate: {error:#}");
            ExitCode::FAILURE
        }
    }
}
