use proptest::prelude::*;

use super::*;

fn catalogue() -> Catalogue {
    let model = |name: &str, fallback: &[usize]| Model { name: name.to_owned(), fallback: fallback.to_vec() };
    let models =
        [model("gpt", &[1, 2]), model("deepseek", &[3]), model("gemini", &[3, 1]), model("small", &[])];
    let task = |name: &str, model, keywords: &[&str], fallback: &[usize]| Task {
        name: name.to_owned(),
        model,
        keywords: keywords.iter().map(|keyword| (*keyword).to_owned()).collect(),
        fallback: fallback.to_vec(),
    };
    let tasks = [task("code", 1, &["function", "def "], &[2]), task("talk", 3, &["hello", "function"], &[])];
    Catalogue::new(&models, &[("fast".to_owned(), 2)], &tasks, Some(0))
}

fn resolved(asked: Option<&str>, task: Option<&str>, text: &str) -> (usize, Option<usize>) {
    let route = catalogue().resolve(asked, task, &mut || text.to_owned()).unwrap();
    assert_eq!(catalogue().name(route.id.unwrap()), Some(&route.model));
    (route.id.unwrap(), route.task)
}

fn no_text() -> String {
    panic!("the text is asked for");
}

#[test]
fn names_and_aliases_are_resolved_without_a_look_at_the_text() {
    let chain = |asked| catalogue().resolve(Some(asked), Some("code"), &mut no_text).unwrap();
    assert_eq!(chain("gpt").id, Some(0));
    assert_eq!(&*chain("fast").model, "gemini");
    assert_eq!(chain("fast").task, None);
    let unknown = catalogue().resolve(Some("GPT"), None, &mut no_text).unwrap_err();
    assert_eq!(unknown.to_string(), "the model `GPT` does not exist");
}

#[test]
fn a_call_without_a_model_gets_the_default() {
    let route = catalogue().resolve(None, Some("code"), &mut no_text).unwrap();
    assert_eq!((route.id, route.task), (Some(0), None));
    assert_eq!(Catalogue::default().resolve(None, None, &mut no_text).unwrap_err(), UnknownModel::Unnamed);
}

#[test]
fn auto_is_decided_by_the_header_then_by_keywords_then_by_the_default() {
    assert_eq!(resolved(Some("auto"), Some("talk"), "a function"), (3, Some(1)));
    assert_eq!(resolved(Some("auto"), Some("poetry"), "Hello, a FUNCTION"), (1, Some(0)));
    assert_eq!(resolved(Some("auto"), None, "Hello"), (3, Some(1)));
    assert_eq!(resolved(Some("auto"), None, "functional"), (0, None));
    let route = catalogue().resolve(Some("auto"), Some("code"), &mut no_text).unwrap();
    assert_eq!((route.id, route.task), (Some(1), Some(0)));
}

#[test]
fn what_stands_in_for_a_task_comes_before_what_stands_in_for_its_model() {
    let chain = |asked, task| catalogue().resolve(Some(asked), task, &mut String::new).unwrap().chain;
    assert_eq!(chain("auto", Some("code")), [2, 3]);
    assert_eq!(chain("gpt", None), [1, 2, 3]);
    assert_eq!(chain("fast", None), [3, 1]);
    assert!(chain("small", None).is_empty());
}

#[test]
fn without_models_every_name_passes() {
    let nothing = Catalogue::new(&[], &[("a".to_owned(), 0)], &[], Some(0));
    assert!(nothing.is_empty() && !catalogue().is_empty());
    for name in ["gpt", "auto", "a", ""] {
        let route = nothing.resolve(Some(name), Some("code"), &mut no_text).unwrap();
        assert_eq!(route, Route { model: name.into(), id: None, task: None, chain: Vec::new() });
    }
}

#[test]
fn keywords_are_whole_words_in_any_case() {
    let is_in = |keyword: &str, text: &str| Keyword::new(keyword).is_in(&text.to_ascii_lowercase());
    assert!(
        is_in("function", "Function")
            && is_in("FUNCTION", "a function.")
            && is_in("function", "functions function")
    );
    for text in ["functions", "malfunction", "function_", "function1", "éfunction", "functioné"] {
        assert!(!is_in("function", text), "{text}");
    }
    assert!(is_in("def ", "def f()") && is_in("def ", "(def x") && !is_in("def ", "undef x"));
    assert!(
        is_in(".py", "main.py")
            && !is_in(".py", "main.pyc")
            && is_in("c++", "C++20")
            && !is_in("c++", "mc++")
    );
    assert!(is_in("naïve", "a naïve one") && is_in("a a", "xa a a") && !is_in("", "a"));
}

/// Word by word, for keywords that are words.
fn has_word(text: &str, word: &str) -> bool {
    text.split(|char: char| !char.is_alphanumeric() && char != '_')
        .any(|found| found.eq_ignore_ascii_case(word))
}

proptest! {
    #[test]
    fn a_keyword_is_in_a_text_that_has_it_as_a_word(text in "[aAbé_ .]{0,12}", keyword in "[abé]{1,2}") {
        prop_assert_eq!(Keyword::new(&keyword).is_in(&text.to_ascii_lowercase()), has_word(&text, &keyword));
    }

    #[test]
    fn a_chain_has_everything_that_can_be_reached_once_and_nearer_ones_first(
        fallbacks in prop::collection::vec(prop::collection::vec(0..7usize, 0..4), 1..7),
        start: prop::sample::Index,
    ) {
        let models: Vec<Model> = fallbacks.iter().enumerate()
            .map(|(id, fallback)| Model { name: id.to_string(), fallback: fallback.clone() })
            .collect();
        let start = start.index(models.len());
        let route = Catalogue::new(&models, &[], &[], None).resolve(Some(&start.to_string()), None, &mut no_text).unwrap();
        let mut steps = vec![None; models.len()];
        steps[start] = Some(0);
        for step in 0..models.len() {
            let nearer: Vec<usize> = (0..models.len()).filter(|id| steps[*id] == Some(step)).collect();
            for to in nearer.iter().flat_map(|from| &fallbacks[*from]).filter(|to| **to < models.len()) {
                steps[*to] = steps[*to].or(Some(step + 1));
            }
        }
        let mut reached: Vec<usize> = (0..models.len()).filter(|id| *id != start && steps[*id].is_some()).collect();
        prop_assert!(route.chain.is_sorted_by_key(|id| steps[*id]));
        let mut chain = route.chain.clone();
        chain.sort_unstable();
        reached.sort_unstable();
        prop_assert_eq!(chain, reached);
    }
}
