//! Changing the file under a process that runs, and telling it so.

use super::edge::{Edge, Settings, configuration};
use super::wait::until;

impl Edge {
    /// Puts these sections in force; panics if they are refused.
    #[track_caller]
    pub fn reload(&self, sections: &str, values: &[(&str, &str)]) {
        self.reload_with(&Settings::default(), sections, values);
    }

    /// The same with other settings in `global` and `log`.
    #[track_caller]
    pub fn reload_with(&self, settings: &Settings, sections: &str, values: &[(&str, &str)]) {
        let text = configuration(settings, self.directory.path(), sections, values);
        assert!(self.reload_text(&text), "refused\n{text}\n{}", self.process.transcript());
    }

    /// Replaces the file by exactly this text; false when it is refused.
    #[track_caller]
    pub fn reload_text(&self, text: &str) -> bool {
        self.directory.write("tidegate.yaml", text);
        self.hang_up()
    }

    /// Reads the file again, whatever it holds now; false when it is refused.
    #[track_caller]
    pub fn hang_up(&self) -> bool {
        let (applied, refused) = (self.told(APPLIED), self.told(REFUSED));
        self.process.signal("HUP");
        until("the reload", || self.told(APPLIED) > applied || self.told(REFUSED) > refused);
        self.told(REFUSED) == refused
    }

    /// Waits until a line of standard error holds this.
    #[track_caller]
    pub fn says(&self, text: &str) {
        until(&format!("a line with: {text}\n{}", self.process.transcript()), || self.told(text) > 0);
    }

    /// How many lines of standard error hold this.
    pub fn told(&self, text: &str) -> usize {
        self.process.stderr().iter().filter(|line| line.contains(text)).count()
    }
}

pub const APPLIED: &str = "is in force";
const REFUSED: &str = "reload refused, nothing has changed";
