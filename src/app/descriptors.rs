//! File descriptors: as many as the process may have, and connections no more than those afford. Who runs out of them
//! cannot check servers or answer an operator, and takes healthy servers for dead.

use log::warn;
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// For the admin listener, checks, logs and files; of a small limit, a quarter.
const RESERVED: u64 = 512;

/// Raises the limit as far as it goes without asking anybody (`ulimit -n` up to `ulimit -Hn`), and says how many client
/// connections it affords: each may need a second descriptor, towards its server.
pub fn affordable_connections() -> usize {
    let limit = getrlimit(Resource::Nofile);
    let raised = Rlimit { current: limit.maximum, maximum: limit.maximum };
    // Where it cannot be raised, what there is must do.
    let _ = setrlimit(Resource::Nofile, raised);
    match getrlimit(Resource::Nofile).current {
        Some(files) => connections(files),
        None => usize::MAX,
    }
}

fn connections(files: u64) -> usize {
    let left = files - RESERVED.min(files / 4);
    usize::try_from(left / 2).unwrap_or(usize::MAX).max(1)
}

/// Tells an operator whose file promises more connections than there can be.
pub fn warn_if_short(wanted: usize, affordable: usize) {
    if wanted > affordable {
        warn!(
            "global.max_connections is {wanted}, but at most {affordable} client connections are taken: the process may not \
             open more files, and each connection may need two. Raise its limit (ulimit -Hn, LimitNOFILE of systemd)"
        );
    }
}

#[cfg(test)]
mod tests {
    use super::connections;

    #[test]
    fn a_connection_may_need_two_files_and_others_need_some() {
        assert_eq!(connections(20_512), 10_000);
        assert_eq!(connections(1024), 384);
        assert_eq!(connections(1), 1);
    }
}
