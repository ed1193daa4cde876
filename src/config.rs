//! Floor 1: the configuration file, from its text to [`checked::Checked`]. [`load`] is the only door. It reports every
//! mistake at once and never gives out a configuration that has one. It opens no socket and starts nothing.

pub mod checked;
pub mod diagnostic;
pub mod difference;
pub mod expression;
pub mod source;

mod context;
mod interpolate;
mod mask;
mod names;
mod pem;
mod place;
mod reader;
mod section;
mod suggest;
mod tree;
mod validity;
mod value;

use std::path::{Path, PathBuf};

use checked::Checked;
use diagnostic::Diagnostics;
use source::{Environment, Process};

pub use reader::Keys;
pub use suggest::nearest;

/// Larger files are refused: no configuration is that long, and the reader holds it whole.
pub(crate) const LARGEST_FILE: usize = 4_000_000;

/// Reads and checks the file at `path`. Relative paths, also those within the file, start at the working directory.
///
/// Warnings do not make it fail; they are in [`Checked::warnings`].
pub fn load(path: &Path) -> Result<Checked, Diagnostics> {
    match Process.file(path) {
        Ok(bytes) => load_bytes(path, bytes),
        Err(e) => Err(Diagnostics::of_file(path, format!("cannot read the configuration: {e}"))),
    }
}

/// Like [`load`], for a text that is already here; `path` only names it. Variables and the files that the text names
/// (certificates, `${file:...}`) come from `environment`.
pub fn load_text(path: &Path, text: &str, environment: &dyn Environment) -> Result<Checked, Diagnostics> {
    if text.len() > LARGEST_FILE {
        return Err(Diagnostics::of_file(path, format!("larger than {LARGEST_FILE} bytes")));
    }
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = match tree::parse(text) {
        Ok(tree) => tree,
        Err(mistake) => return Err(Diagnostics::new(path, text, mask::by_text(text), vec![*mistake])),
    };
    let masks = mask::by_position(&tree);
    let context = context::Context::new(environment, &masks);
    for duplicate in tree.duplicates {
        context.report(duplicate);
    }
    let sections = section::read(&context, &tree.root);
    let found = Diagnostics::new(path, text, masks, context.into_diagnostics());
    match sections {
        Some(s) if found.errors() == 0 => Ok(Checked {
            file: path.to_path_buf(),
            source_text: text.to_owned(),
            warnings: found,
            global: s.global,
            admin: s.admin,
            log: s.log,
            timeouts: s.timeouts,
            tables: s.tables,
            acls: s.acls,
            frontends: s.frontends,
            clients: s.clients,
            plans: s.plans,
            ai: s.ai,
            backends: s.backends,
            alerts: s.alerts,
        }),
        _ => Err(found),
    }
}

fn load_bytes(path: &Path, bytes: Vec<u8>) -> Result<Checked, Diagnostics> {
    match String::from_utf8(bytes) {
        Ok(text) => load_text(path, &text, &Process),
        Err(e) => {
            let good = e.utf8_error().valid_up_to();
            let line = e.as_bytes().iter().take(good).filter(|b| **b == b'\n').count() + 1;
            Err(Diagnostics::of_file(path, format!("not UTF-8 text: byte {good}, in line {line}")))
        }
    }
}

/// Where the instance of a file with mistakes may have its runtime socket: as far as that much of the file can be read. To
/// ask whoever runs with it what is wrong, nothing else.
pub fn likely_socket(path: &Path) -> Option<PathBuf> {
    let text = String::from_utf8(Process.file(path).ok()?).ok()?;
    let tree = tree::parse(text.strip_prefix('\u{feff}').unwrap_or(&text)).ok()?;
    let setting = |section: &str, key: &str| match &tree.root.child(section)?.value.child(key)?.value.kind {
        tree::Kind::Scalar(scalar) => Some(scalar.text.clone()).filter(|text| !text.contains("${")),
        _ => None,
    };
    match setting("admin", "socket") {
        Some(off) if off == "off" => None,
        Some(socket) => Some(PathBuf::from(socket)),
        None => {
            Some(PathBuf::from(setting("global", "state_dir").unwrap_or("./state".into())).join("admin.sock"))
        }
    }
}

/// Every mapping that a file may hold, with its keys. Documentation is tested against it.
pub fn keys() -> Vec<&'static Keys> {
    section::keys()
}

#[cfg(test)]
mod tests;
