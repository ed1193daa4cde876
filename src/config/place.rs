//! Whether the process could write where the file says, found out without making anything.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::source::NoDirectory;

/// Why a file could not be appended to or made at this path.
pub(super) fn why_no_file(path: &Path) -> Option<String> {
    match std::fs::metadata(path) {
        Ok(there) if there.is_dir() => Some("it is a directory".to_owned()),
        // To open a pipe would wait for whoever reads it, or disturb them.
        Ok(there) if !there.is_file() => None,
        Ok(_) => OpenOptions::new().append(true).open(path).err().map(|e| e.to_string()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => why_no_entry(path),
        Err(e) => Some(e.to_string()),
    }
}

/// Why no unix socket could be made at this path. One that is there is replaced; anything else there is somebody's.
pub(super) fn why_no_socket(path: &Path) -> Option<String> {
    use std::os::unix::fs::FileTypeExt;
    match std::fs::symlink_metadata(path) {
        Ok(there) if there.file_type().is_socket() => why_no_entry(path),
        Ok(there) if there.is_dir() => Some("it is a directory".to_owned()),
        Ok(_) => Some("something else than a socket is there".to_owned()),
        Err(e) if e.kind() == io::ErrorKind::NotFound => why_no_entry(path),
        Err(e) => Some(e.to_string()),
    }
}

/// Why nothing could be made at this path in its directory.
fn why_no_entry(path: &Path) -> Option<String> {
    let directory = path.parent().filter(|p| !p.as_os_str().is_empty()).unwrap_or(Path::new("."));
    match std::fs::metadata(directory) {
        Ok(there) if !there.is_dir() => Some(format!("`{}` is not a directory", directory.display())),
        Ok(_) => why_not_writable(directory),
        Err(e) => Some(format!("the directory `{}`: {e}", directory.display())),
    }
}

/// Why this could not be a directory to write to, itself or after it and what leads to it are made.
pub(super) fn why_no_directory(path: &Path) -> Option<NoDirectory> {
    use NoDirectory::{NotWritable, Taken};
    for (i, place) in path.ancestors().enumerate() {
        let place = if place.as_os_str().is_empty() { Path::new(".") } else { place };
        match std::fs::metadata(place) {
            Ok(there) if there.is_dir() => return why_not_writable(place).map(NotWritable),
            Ok(_) if i == 0 => return Some(Taken("it is a file, not a directory".to_owned())),
            Ok(_) => return Some(Taken(format!("`{}` is not a directory", place.display()))),
            Err(e) if e.kind() == io::ErrorKind::NotFound => {}
            // A file in the middle of the path: the place itself is found further up.
            Err(e) if e.kind() == io::ErrorKind::NotADirectory => {}
            Err(e) => return Some(NotWritable(format!("`{}`: {e}", place.display()))),
        }
    }
    None
}

/// A file without a name in it, gone when it is closed: only the system itself knows what permissions, access lists and
/// read-only mounts come to.
fn why_not_writable(directory: &Path) -> Option<String> {
    use std::os::unix::fs::OpenOptionsExt;
    let unnamed = unnamed_file()?;
    match OpenOptions::new().write(true).custom_flags(unnamed).open(directory) {
        Err(e) if matches!(e.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem) => {
            Some(format!("`{}` cannot be written to: {e}", directory.display()))
        }
        // Some file systems have no such files.
        _ => None,
    }
}

/// `O_TMPFILE`, where its value is known.
fn unnamed_file() -> Option<i32> {
    let linux = cfg!(target_os = "linux");
    match () {
        () if linux && cfg!(target_arch = "x86_64") => Some(0o20_200_000),
        () if linux && cfg!(target_arch = "aarch64") => Some(0o20_040_000),
        () => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_in_the_way_is_named() {
        let directory = std::env::temp_dir().join(format!("tidegate-place-{}", std::process::id()));
        std::fs::create_dir_all(&directory).unwrap();
        let file = directory.join("file");
        std::fs::write(&file, "x").unwrap();

        assert_eq!(why_no_file(&file), None);
        assert_eq!(why_no_file(&directory.join("new")), None);
        assert!(why_no_file(&directory).unwrap().contains("is a directory"));
        assert!(why_no_file(&directory.join("none/new")).unwrap().contains("none"));

        assert!(why_no_socket(&file).unwrap().contains("something else"));
        assert!(why_no_socket(&directory).unwrap().contains("is a directory"));
        assert!(why_no_socket(&directory.join("none/new")).unwrap().contains("none"));
        assert_eq!(why_no_socket(&directory.join("new")), None);
        let socket = std::os::unix::net::UnixListener::bind(directory.join("s")).unwrap();
        assert_eq!(why_no_socket(&directory.join("s")), None);
        std::fs::remove_file(directory.join("s")).unwrap();
        drop(socket);

        assert_eq!(why_no_directory(&directory), None);
        assert_eq!(why_no_directory(&directory.join("a/b")), None);
        let taken = |path: &Path| match why_no_directory(path) {
            Some(NoDirectory::Taken(why)) => why,
            other => panic!("{other:?}"),
        };
        assert!(taken(&file).contains("it is a file"));
        assert!(taken(&file.join("a/b")).contains("file` is not a directory"));

        let left: Vec<_> = std::fs::read_dir(&directory).unwrap().collect();
        assert_eq!(left.len(), 1);
        std::fs::remove_dir_all(&directory).unwrap();
    }

    #[test]
    fn a_read_only_place_is_told_from_one_that_is_taken() {
        let why = why_no_directory(Path::new("/proc/tidegate"));
        assert!(!matches!(why, Some(NoDirectory::Taken(_))), "{why:?}");
    }
}
