//! A small disk of one test's own, that can be full or refuse to be written. Only root may have one.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// Unmounted when dropped.
pub struct Tmpfs {
    path: PathBuf,
}

impl Tmpfs {
    /// Mounts one there, of at most so many bytes. `None`, and a word on standard error: the system does not let us.
    pub fn mount(path: &Path, size: u64) -> Option<Tmpfs> {
        std::fs::create_dir_all(path).unwrap();
        let disk = Tmpfs { path: path.to_owned() };
        if mount(&["-t", "tmpfs", "-o", &format!("size={size},mode=755"), "tmpfs"], path) {
            return Some(disk);
        }
        eprintln!("skipped: this user may not mount a disk");
        std::mem::forget(disk);
        None
    }

    /// Whether it may be written from now on. Nobody may have a file open for writing there when it is taken away.
    #[track_caller]
    pub fn set_writable(&self, writable: bool) {
        let how = if writable { "remount,rw" } else { "remount,ro" };
        assert!(mount(&["-o", how], &self.path), "{how}");
    }

    /// Takes all the space that is left; dropping the file's path gives it back.
    pub fn fill(&self) -> PathBuf {
        let ballast = self.path.join("ballast");
        let wrote = Command::new("dd")
            .args(["if=/dev/zero", "bs=4096"])
            .arg(format!("of={}", ballast.display()))
            .stderr(Stdio::null())
            .status()
            .unwrap();
        assert!(!wrote.success(), "it has no end");
        ballast
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.path).status();
    }
}

fn mount(arguments: &[&str], path: &Path) -> bool {
    let mounted = Command::new("mount").args(arguments).arg(path).stderr(Stdio::null()).status();
    mounted.is_ok_and(|status| status.success())
}
