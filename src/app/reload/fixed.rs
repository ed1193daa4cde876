//! What a reload cannot change.

use std::path::PathBuf;

use crate::config::checked::{Admin, BindAddress, Checked, Threads};

/// What only a restart can change, as it was at the start.
pub(super) struct Fixed {
    pub file: PathBuf,
    /// In the order of [`Snapshot::binds`].
    binds: Vec<BindAddress>,
    threads: Threads,
    pub state_dir: PathBuf,
    admin: Admin,
    log_level: log::LevelFilter,
}

impl Fixed {
    pub fn of(checked: &Checked) -> Fixed {
        Fixed {
            file: checked.file.clone(),
            binds: checked.listeners().map(|(_, bind)| bind.address.clone()).collect(),
            threads: checked.global.threads,
            state_dir: checked.global.state_dir.clone(),
            admin: checked.admin.clone(),
            log_level: checked.log.level,
        }
    }

    /// Settings of the new file that wait for a restart.
    pub fn differences(&self, checked: &Checked) -> Vec<&'static str> {
        let same = [
            ("global.threads", self.threads == checked.global.threads),
            ("global.state_dir", self.state_dir == checked.global.state_dir),
            ("admin.listen", self.admin.listen == checked.admin.listen),
            ("admin.socket", self.admin.socket == checked.admin.socket),
            ("log.level", self.log_level == checked.log.level),
        ];
        same.into_iter().filter(|(_, same)| !same).map(|(name, _)| name).collect()
    }

    /// For each bind of the running process its place among those of the new file.
    pub fn places(&self, checked: &Checked) -> Result<Vec<usize>, String> {
        let mut new: Vec<Option<BindAddress>> =
            checked.listeners().map(|(_, bind)| Some(bind.address.clone())).collect();
        let mut places = Vec::new();
        let mut gone = Vec::new();
        for old in &self.binds {
            match new.iter().position(|new| new.as_ref() == Some(old)) {
                Some(place) => {
                    new[place] = None;
                    places.push(place);
                }
                None => gone.push(old.to_string()),
            }
        }
        let added: Vec<String> = new.into_iter().flatten().map(|address| address.to_string()).collect();
        if gone.is_empty() && added.is_empty() {
            return Ok(places);
        }
        let list = |what: &str, addresses: &[String]| match addresses {
            [] => String::new(),
            some => format!(" {what} {}", some.join(", ")),
        };
        Err(format!(
            "listeners cannot change without a restart:{}{}",
            list("added", &added),
            list("gone", &gone)
        ))
    }
}
