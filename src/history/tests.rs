//! The history against disks that fail, processes that die, and files that others have touched.

use std::cell::Cell;
use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use super::*;

/// A folder of its own, removed at the end.
struct State(PathBuf);

impl State {
    fn new() -> State {
        use std::sync::atomic::{AtomicU32, Ordering};
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let name =
            format!("tidegate-history-{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        State(path)
    }

    fn history(&self) -> History {
        History::open(&self.0)
    }

    fn file(&self, name: &str) -> PathBuf {
        self.0.join(FOLDER).join(name)
    }

    fn files(&self) -> Vec<String> {
        let mut names: Vec<String> = fs::read_dir(self.0.join(FOLDER))
            .map(|files| files.map(|file| file.unwrap().file_name().into_string().unwrap()).collect())
            .unwrap_or_default();
        names.sort();
        names
    }
}

impl Drop for State {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn applied(text: &str, second: u64) -> Applied<'_> {
    Applied { text, file: Path::new("tidegate.yaml"), at: Duration::from_secs(second), who: "signal" }
}

fn numbers(history: &History) -> Vec<u64> {
    history.list().unwrap().iter().map(|entry| entry.number).collect()
}

/// What is kept is what was given, whatever happened.
fn assert_sound(history: &History, texts: &[&str]) {
    let list = history.list().unwrap();
    for entry in &list {
        let text = history.text(entry.number).unwrap();
        assert!(texts.contains(&text.as_str()), "{text:?} was never given");
        assert_eq!((entry.sha256.clone(), entry.bytes), (entry::digest(&text), text.len() as u64));
    }
    assert!(list.windows(2).all(|pair| pair[0].number > pair[1].number));
}

#[test]
fn what_was_applied_is_found_again() {
    let state = State::new();
    let history = state.history();
    assert_eq!((history.list().unwrap().len(), history.newest().unwrap()), (0, None));
    let texts = ["a: 1\n", "a: 2\r\nkey: ${KEY}\r\n", "\u{feff}ä: [", "", "a: 1\n"];
    for (number, text) in (1u64..).zip(texts) {
        assert_eq!(history.keep(applied(text, number * 100)).unwrap(), number);
    }
    for (number, text) in (1u64..).zip(texts) {
        assert_eq!(history.text(number).unwrap(), text);
    }
    let newest = history.newest().unwrap().unwrap();
    assert_eq!(
        newest,
        Entry {
            number: 5,
            at: Duration::from_secs(500),
            again: None,
            who: "signal".to_owned(),
            file: "tidegate.yaml".into(),
            sha256: entry::digest("a: 1\n"),
            bytes: 5,
        }
    );
    assert_eq!(numbers(&history), [5, 4, 3, 2, 1]);
    assert_eq!(history.broken().unwrap(), Vec::<String>::new());
    let before = |number| history.before(number).unwrap().map(|entry| entry.number);
    assert_eq!(
        (before(5), before(2), before(1), before(0), before(99)),
        (Some(4), Some(1), None, None, Some(5))
    );
}

#[test]
fn only_the_owner_can_read_it() {
    let state = State::new();
    state.history().keep(applied("key: sk-1\n", 1)).unwrap();
    let mode = |path: PathBuf| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode(state.file("")), 0o700);
    assert_eq!((mode(state.file("000001.yaml")), mode(state.file("000001.json"))), (0o600, 0o600));
    assert!(!fs::read_to_string(state.file("000001.json")).unwrap().contains("sk-1"));
}

#[test]
fn the_same_text_is_kept_once_until_another_comes() {
    let state = State::new();
    let history = state.history();
    assert_eq!(history.keep(applied("a", 1)).unwrap(), 1);
    assert_eq!(history.keep(Applied { who: "start", ..applied("a", 7) }).unwrap(), 1);
    let entry = history.newest().unwrap().unwrap();
    assert_eq!((entry.at, entry.again), (Duration::from_secs(1), Some(Duration::from_secs(7))));
    assert_eq!(entry.who, "signal");
    assert_eq!(history.keep(applied("b", 8)).unwrap(), 2);
    assert_eq!(history.keep(applied("a", 9)).unwrap(), 3);
    assert_eq!(state.files().len(), 6);
}

#[test]
fn before_passes_over_the_same_text() {
    let state = State::new();
    let history = state.history();
    for text in ["a", "b", "x", "b"] {
        history.keep(applied(text, 1)).unwrap();
    }
    // As after two writers at once.
    fs::remove_file(state.file("000003.json")).unwrap();
    assert_eq!(history.before(4).unwrap().map(|entry| entry.number), Some(1));
}

#[test]
fn the_oldest_go_and_no_number_comes_again() {
    let state = State::new();
    let history = state.history();
    let good = Failing::at(usize::MAX, false);
    for number in 1..=1000u64 {
        let text = format!("a: {number}\n");
        assert_eq!(history.keep_on(&good, &applied(&text, number)).unwrap(), number);
    }
    let kept: Vec<u64> = (801..=1000).rev().collect();
    assert_eq!(numbers(&history), kept);
    assert_eq!(state.files().len(), 2 * MOST);
    let error = history.text(7).unwrap_err().to_string();
    assert!(error.contains("no configuration 7 in ") && error.contains("kept are 801 to 1000"), "{error}");
    // The newest one is broken: it is in force no more for anybody, but its number is gone.
    fs::write(state.file("001000.json"), "{").unwrap();
    assert_eq!(history.keep(applied("new", 1)).unwrap(), 1001);
}

#[test]
fn a_thousand_entries_that_are_there_are_read_and_pruned() {
    let state = State::new();
    let history = state.history();
    history.keep(applied("first", 1)).unwrap();
    let entry = history.newest().unwrap().unwrap();
    for number in 2..=1000u64 {
        fs::write(state.file(&format!("{number:06}.yaml")), "first").unwrap();
        fs::write(state.file(&format!("{number:06}.json")), entry.write().unwrap()).unwrap();
    }
    assert_eq!(numbers(&history).len(), 1000);
    assert_eq!(history.before(1000).unwrap(), None);
    assert_eq!(history.keep(applied("second", 1)).unwrap(), 1001);
    assert_eq!((numbers(&history).len(), state.files().len()), (MOST, 2 * MOST));
    fs::write(state.file("1000000.yaml"), "first").unwrap();
    fs::write(state.file("1000000.json"), entry.write().unwrap()).unwrap();
    assert_eq!(history.keep(applied("third", 1)).unwrap(), 1_000_001);
    assert_eq!(history.newest().unwrap().unwrap().number, 1_000_001);
}

#[test]
fn broken_entries_are_left_out_and_said() {
    let state = State::new();
    let history = state.history();
    for text in ["one", "two", "three", "four", "five", "six"] {
        history.keep(applied(text, 1)).unwrap();
    }
    fs::remove_file(state.file("000001.json")).unwrap();
    fs::remove_file(state.file("000002.yaml")).unwrap();
    fs::write(state.file("000003.json"), "{\"at_ms\": 1").unwrap();
    fs::write(state.file("000004.yaml"), "fo").unwrap();
    // The same length: seen where the text is read.
    fs::write(state.file("000005.yaml"), "FIVE").unwrap();
    for name in
        ["42.yaml", "+00042.json", "000000.yaml", "notes.txt", "-00001.json", "99999999999999999999.json"]
    {
        fs::write(state.file(name), "x").unwrap();
    }
    fs::create_dir(state.file("000077.json")).unwrap();
    assert_eq!(numbers(&history), [6, 5]);
    let broken = history.broken().unwrap().join("\n");
    for said in [
        "000001.yaml: it has no entry",
        "000002.json: it has no text",
        "000003.json: it is no entry",
        "000004.yaml: it has not the text",
        "000077.json: it is no entry",
    ] {
        assert!(broken.contains(said), "{broken}");
    }
    for number in 1..=5 {
        let error = history.text(number).unwrap_err();
        assert!(matches!(error, Error::Broken { .. }), "{error}");
        assert!(error.to_string().contains("Take another one: kept are 5 to 6"), "{error}");
    }
    assert!(matches!(history.text(8), Err(Error::Unknown { .. })));
    assert_eq!(history.keep(applied("seven", 1)).unwrap(), 78);
}

#[test]
fn a_text_that_was_damaged_is_kept_anew() {
    let state = State::new();
    let history = state.history();
    history.keep(applied("one", 1)).unwrap();
    fs::write(state.file("000001.yaml"), "ONE").unwrap();
    assert_eq!(history.keep(applied("one", 1)).unwrap(), 2);
    assert_eq!(history.text(2).unwrap(), "one");
}

#[test]
fn a_place_that_cannot_be_written_to_is_told_with_what_to_do() {
    let state = State::new();
    fs::create_dir_all(&state.0).unwrap();
    fs::write(state.0.join("file"), "").unwrap();
    for place in [Path::new("/proc/none/state"), &state.0.join("file"), &state.0.join("file/below")] {
        let error = History::open(place).keep(applied("a", 1)).unwrap_err().to_string();
        assert!(error.contains("cannot make the folder") && error.contains("global.state_dir"), "{error}");
    }
    assert_eq!(History::open(Path::new("/proc/none/state")).list().unwrap(), []);
    fs::write(state.0.join(FOLDER), "").unwrap();
    let error = state.history().list().unwrap_err().to_string();
    assert!(error.contains("cannot read"), "{error}");
    assert!(state.history().keep(applied("a", 1)).is_err());
}

#[test]
fn a_newer_tidegate_may_know_more_of_an_entry() {
    let state = State::new();
    let history = state.history();
    history.keep(applied("a", 1)).unwrap();
    let json = fs::read_to_string(state.file("000001.json")).unwrap();
    assert!(json.contains("\"applied\": \"1970-01-01T00:00:01.000Z\""), "{json}");
    fs::write(state.file("000001.json"), json.replacen('{', "{\"new\": [1],", 1)).unwrap();
    assert_eq!(numbers(&history), [1]);
}

/// A disk on which a step fails, and perhaps all that follow: then it is the process that died. It waits for nothing.
struct Failing {
    steps: Cell<usize>,
    fails_at: usize,
    for_good: bool,
}

impl Failing {
    fn at(fails_at: usize, for_good: bool) -> Failing {
        Failing { steps: Cell::new(0), fails_at, for_good }
    }

    fn step(&self) -> io::Result<()> {
        let step = self.steps.get();
        self.steps.set(step + 1);
        let fails = if self.for_good { step >= self.fails_at } else { step == self.fails_at };
        if fails { Err(io::ErrorKind::StorageFull.into()) } else { Ok(()) }
    }
}

impl Disk for Failing {
    fn make_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Real.make_folder(path)
    }

    fn write(&self, path: &Path, bytes: &[u8]) -> io::Result<()> {
        if let Err(cause) = self.step() {
            // The first half had room.
            if self.steps.get() == self.fails_at + 1 {
                fs::write(path, &bytes[..bytes.len() / 2])?;
            }
            return Err(cause);
        }
        fs::write(path, bytes)
    }

    fn claim(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Real.claim(path)
    }

    fn rename(&self, from: &Path, to: &Path) -> io::Result<()> {
        self.step()?;
        Real.rename(from, to)
    }

    fn remove(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        Real.remove(path)
    }

    fn sync_folder(&self, path: &Path) -> io::Result<()> {
        self.step()?;
        assert!(path.is_dir());
        Ok(())
    }
}

#[test]
fn a_crash_at_any_step_leaves_what_was_and_perhaps_what_is_new() {
    for fails_at in 0..12 {
        let state = State::new();
        let history = state.history();
        history.keep(applied("one", 1)).unwrap();
        history.keep(applied("two", 2)).unwrap();
        let kept = history.keep_on(&Failing::at(fails_at, true), &applied("three", 3));
        assert_sound(&history, &["one", "two", "three"]);
        let expected: &[u64] = if kept.is_ok() { &[3, 2, 1] } else { &[2, 1] };
        assert_eq!(numbers(&history), expected, "{fails_at}: {kept:?}");
        // The next one goes on, over a number that was taken for nothing.
        let next = history.keep(applied("three", 4)).unwrap();
        assert_eq!(
            (history.text(next).unwrap().as_str(), history.text(2).unwrap().as_str()),
            ("three", "two")
        );
        assert_sound(&history, &["one", "two", "three"]);
        assert_eq!(history.before(next).unwrap().map(|entry| entry.number), Some(2), "{fails_at}");
    }
}

#[test]
fn a_crash_while_noting_that_it_was_applied_again_loses_nothing() {
    for fails_at in 0..5 {
        for for_good in [true, false] {
            let state = State::new();
            let history = state.history();
            history.keep(applied("one", 1)).unwrap();
            let again = history.keep_on(&Failing::at(fails_at, for_good), &applied("one", 2));
            assert!(fails_at == 0 || again.is_ok_and(|number| number == 1));
            assert_eq!(history.newest().unwrap().unwrap().at, Duration::from_secs(1));
            assert_sound(&history, &["one"]);
        }
    }
}

#[test]
fn a_full_disk_leaves_no_trace() {
    for fails_at in 0..6 {
        let state = State::new();
        let history = state.history();
        history.keep(applied("one", 1)).unwrap();
        let error = match history.keep_on(&Failing::at(fails_at, false), &applied("two", 2)) {
            Ok(number) => panic!("{fails_at}: kept as {number}"),
            Err(error) => error.to_string(),
        };
        assert_eq!(state.files(), ["000001.json", "000001.yaml"], "{fails_at}");
        assert!(error.contains("Free some space") || error.contains("global.state_dir"), "{error}");
        assert_eq!(history.keep(applied("two", 3)).unwrap(), 2);
    }
    // After its last name it counts, whatever comes then.
    let state = State::new();
    assert_eq!(state.history().keep_on(&Failing::at(6, false), &applied("one", 1)).unwrap(), 1);
}

#[test]
fn what_cannot_be_removed_stays_and_harms_nothing() {
    let state = State::new();
    let history = state.history();
    let texts: Vec<String> = (0..=MOST).map(|number| number.to_string()).collect();
    for text in &texts[..MOST] {
        history.keep_on(&Failing::at(usize::MAX, false), &applied(text, 1)).unwrap();
    }
    assert_eq!(history.keep_on(&Failing::at(7, true), &applied(&texts[MOST], 1)).unwrap(), 201);
    assert_eq!(numbers(&history).len(), MOST + 1);
    history.keep(applied("x", 1)).unwrap();
    assert_eq!(numbers(&history).len(), MOST);
}

#[test]
fn what_a_dead_writer_left_goes_after_a_while() {
    let state = State::new();
    let history = state.history();
    history.keep(applied("one", 1)).unwrap();
    for name in [".new-1-1-1", ".new-2-2-2"] {
        fs::write(state.file(name), "half").unwrap();
    }
    let old = std::time::SystemTime::now() - Duration::from_secs(3600);
    fs::File::options().write(true).open(state.file(".new-1-1-1")).unwrap().set_modified(old).unwrap();
    history.keep(applied("two", 2)).unwrap();
    let unfinished: Vec<String> = state.files().into_iter().filter(|name| name.starts_with('.')).collect();
    assert_eq!(unfinished, [".new-2-2-2"]);
}

#[test]
fn writers_at_the_same_time_lose_nothing_and_share_no_number() {
    let state = State::new();
    let taken: Vec<Vec<u64>> = std::thread::scope(|scope| {
        let writers: Vec<_> = (0..4)
            .map(|writer| {
                let history = state.history();
                scope.spawn(move || {
                    (0..20).map(|i| history.keep(applied(&format!("{writer}-{i}"), i)).unwrap()).collect()
                })
            })
            .collect();
        // Somebody reads meanwhile.
        for _ in 0..50 {
            for entry in state.history().list().unwrap() {
                assert!(state.history().text(entry.number).is_ok());
            }
        }
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    let mut all: Vec<u64> = taken.concat();
    all.sort_unstable();
    all.dedup();
    assert_eq!(all.len(), 80);
    for (writer, numbers) in taken.iter().enumerate() {
        for (i, number) in numbers.iter().enumerate() {
            assert_eq!(state.history().text(*number).unwrap(), format!("{writer}-{i}"));
        }
    }
    assert_eq!(state.history().broken().unwrap(), Vec::<String>::new());
    assert_eq!(state.files().len(), 160);
}

/// What the test below kills in the middle.
#[test]
#[ignore = "a process for another test"]
fn writes_until_it_is_killed() {
    let Some(folder) = std::env::var_os("TIDEGATE_HISTORY_TEST") else { return };
    let history = History::open(Path::new(&folder));
    for i in 0..1_000_000 {
        history.keep(applied(&format!("{} {i}", "x".repeat(5000)), i)).unwrap();
    }
}

#[test]
fn a_process_that_is_killed_leaves_only_whole_texts() {
    let state = State::new();
    let history = state.history();
    let mut last = 0;
    for round in 0..8u64 {
        let mut child = std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "history::tests::writes_until_it_is_killed", "--ignored"])
            .env("TIDEGATE_HISTORY_TEST", &state.0)
            .stdout(std::process::Stdio::null())
            .spawn()
            .unwrap();
        let more = || history.newest().unwrap().is_some_and(|entry| entry.number > last + 3);
        for _ in 0..2000 {
            if more() {
                break;
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        std::thread::sleep(Duration::from_micros(round * 700));
        child.kill().unwrap();
        child.wait().unwrap();
        let list = history.list().unwrap();
        assert!(list[0].number > last, "nothing was written");
        for entry in &list {
            assert_eq!(history.text(entry.number).unwrap().len() as u64, entry.bytes);
        }
        last = list[0].number;
    }
    assert!(history.keep(applied("after all", 1)).unwrap() > last);
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig::with_cases(40))]

    /// Whatever the texts and whatever fails: what is kept is what was given, and the newest is what was kept last.
    #[test]
    fn any_order_of_texts_and_failures_is_survived(steps in proptest::collection::vec((0usize..4, 0usize..20, proptest::bool::ANY), 1..25)) {
        let texts = ["", "a: 1\n", "b: 2", "ü\r\n"];
        let state = State::new();
        let history = state.history();
        let mut expected: Vec<&str> = Vec::new();
        for (text, fails_at, for_good) in steps {
            let text = texts[text];
            if history.keep_on(&Failing::at(fails_at, for_good), &applied(text, 1)).is_ok() && expected.last() != Some(&text) {
                expected.push(text);
            }
        }
        let kept: Vec<String> = numbers(&history).into_iter().rev().map(|number| history.text(number).unwrap()).collect();
        proptest::prop_assert_eq!(kept, expected);
        assert_sound(&history, &texts);
    }
}
