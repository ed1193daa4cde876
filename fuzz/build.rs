//! Copies the modules of tidegate that read bytes from outside, so that the library here has them at its root as the
//! main crate has: they name each other `crate::config`, and so on. `#[path]` cannot do that for a module with files
//! below it, and the whole crate would bring Pingora along: ten minutes of building instead of two.

use std::path::Path;
use std::{env, fs, io};

/// Top-level modules of floors 0 to 2 that the entries use, and what those use.
const MODULES: [&str; 7] = ["acl", "ai", "base", "config", "observe", "rewrite", "wire"];

fn main() -> io::Result<()> {
    println!("cargo::rerun-if-changed=../src");
    let source = Path::new("../src");
    let copy =
        env::var_os("OUT_DIR").map(|out| Path::new(&out).join("src")).ok_or(io::ErrorKind::NotFound)?;
    if copy.exists() {
        fs::remove_dir_all(&copy)?;
    }
    fs::create_dir_all(&copy)?;
    let mut root = String::new();
    for module in MODULES {
        let file = format!("{module}.rs");
        fs::copy(source.join(&file), copy.join(&file))?;
        if source.join(module).is_dir() {
            copy_directory(&source.join(module), &copy.join(module))?;
        }
        root.push_str(&format!("pub mod {module};\n"));
    }
    fs::write(copy.join("root.rs"), root)
}

fn copy_directory(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy_directory(&entry.path(), &target)?;
        } else {
            fs::copy(entry.path(), target)?;
        }
    }
    Ok(())
}
