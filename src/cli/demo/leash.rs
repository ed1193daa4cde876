//! Keeps a child process from outliving the one that started it, however that one ends: the parent holds the writing
//! end of the child's standard input and never writes; when the parent is gone the kernel closes it, and the child ends.

use std::io::Read;

/// Calls `then` once standard input has ended or cannot be read. What is typed meanwhile is thrown away.
pub fn when_stdin_ends(then: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    std::thread::Builder::new().name("stdin".into()).spawn(move || {
        let mut ignored = [0; 256];
        let mut input = std::io::stdin().lock();
        loop {
            match input.read(&mut ignored) {
                Ok(1..) => {}
                Err(e) if e.kind() == std::io::ErrorKind::Interrupted => {}
                Ok(0) | Err(_) => break,
            }
        }
        then();
    })?;
    Ok(())
}
