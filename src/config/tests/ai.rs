//! Models, tokens and money.

use super::*;

const MODELS: &str = "models: {gpt: {input: 2.00, output: 8.00, cached_input: 0.5, fallback: deep}, deep: {input: 0.42, output: 1}}";

fn ai(keys: &str) -> Ai {
    load(&small("", &format!("ai: {{{MODELS}, {keys}}}\n"))).ai
}

fn with(rest: &str) -> Checked {
    load(&small("", &format!("ai: {{{MODELS}, aliases: {{fast: deep}}}}\n{rest}")))
}

#[test]
fn without_its_section_nothing_is_known_of_models() {
    let c = load(&small("", "plans: {p: {}}\n"));
    assert_eq!(c.ai, Ai::default());
    let plan = &c.plans[0];
    assert!(plan.tokens_per_minute.is_none() && plan.models.is_none());
    let server = &c.backends[0].servers[0];
    assert_eq!((server.key_header, &server.models), (KeyHeader::Authorization, &None));
    for nothing in ["ai:\n", "ai: {}\n", "ai: null\n", "ai: {models: , aliases: {}, tasks: }\n"] {
        assert_eq!(load(&small("", nothing)).ai, Ai::default(), "{nothing}");
    }
}

#[test]
fn prices_are_micro_dollars() {
    let models = ai("").models;
    let gpt = Model {
        name: "gpt".into(),
        input: 2_000_000,
        output: 8_000_000,
        cached_input: 500_000,
        fallback: vec![1],
    };
    assert_eq!(models[0], gpt);
    assert_eq!((models[1].input, models[1].cached_input), (420_000, 420_000));
}

#[test]
fn an_alias_stands_wherever_a_model_does() {
    let ai = ai("aliases: {fast: deep}, default_model: fast, tasks: {t: {model: gpt, fallback: [fast]}}");
    assert_eq!((ai.default_model, ai.aliases), (Some(1), vec![("fast".to_owned(), 1)]));
    assert_eq!((ai.tasks[0].model, &ai.tasks[0].fallback), (0, &vec![1]));
    let c = with("plans: {p: {models: [fast, deep, gpt]}}\nacls: {a: {model: [Fast, GP*]}}\n");
    assert_eq!(c.plans[0].models, Some(vec![1, 0]));
    let pattern = |text: &str, prefix| Pattern { text: text.into(), prefix };
    assert_eq!(c.acls[0].test, Test::Model(vec![pattern("deep", false), pattern("gp", true)]));
}

#[test]
fn names_that_providers_give_are_names() {
    let names = ["meta-llama/Llama-3.3-70B", "llama3:8b", "@cf/meta/x", "ft:gpt-4o:me::id", "a#b"];
    for name in names {
        let text =
            format!("ai: {{models: {{\"{name}\": {{input: 0, output: 0}}}}, default_model: \"{name}\"}}\n");
        assert_eq!(load(&small("", &text)).ai.models[0].name, name);
    }
    for name in ["", "a b", "a*", "a,b", "é", "auto", &"x".repeat(129)] {
        let text = format!("ai: {{models: {{\"{name}\": {{input: 0, output: 0}}}}}}\n");
        assert!(wrong(&small("", &text)).contains("1 error"), "{name}");
    }
}

#[test]
fn keywords_keep_their_spaces() {
    let ai = ai(
        "tasks: {code: {model: gpt, keywords: [function, \"def \"]}, talk: {model: deep}}, default_model: gpt",
    );
    assert_eq!(ai.tasks[0].keywords, ["function", "def "]);
    assert!(ai.tasks[1].keywords.is_empty());
}

#[test]
fn a_server_says_what_it_knows_and_how_it_calls_it() {
    let server = |keys: &str| {
        let text = SMALL.replace("{url:", &format!("{{{keys}, url:"));
        load(&text).backends.remove(0).servers.remove(0)
    };
    let pair = |ours: &str, there: &str| (ours.to_owned(), there.to_owned());
    assert_eq!(
        server("models: {gpt: gpt-1, x: 'a:b'}").models,
        Some(vec![pair("gpt", "gpt-1"), pair("x", "a:b")])
    );
    assert_eq!(server("models: [gpt, x]").models, Some(vec![pair("gpt", "gpt"), pair("x", "x")]));
    assert_eq!(server("models: gpt").models, Some(vec![pair("gpt", "gpt")]));
    assert_eq!(server("api_key: k, auth: x-api-key").key_header, KeyHeader::XApiKey);
}

#[test]
fn tables_and_conditions_know_models() {
    let c = with(
        "tables: {t: {key: model, expire: 1h, counters: [tokens_rate(1m), tokens_cnt, cost_rate(1h)]}, \
         u: {key: plan, expire: 1m, counters: conn_cur}}\n\
         acls: {a: {table: t, counter: cost_rate, above: 5m}}\n",
    );
    assert_eq!((c.tables[0].key, c.tables[1].key), (TableKey::Model, TableKey::Plan));
    assert_eq!(c.tables[0].counters[1], Counter::TokensCnt);
    assert_eq!(c.acls[0].test, Test::Above { table: 0, counter: 2, above: 5_000_000 });
    // Without a list of models any name may come.
    let c = load(&small("", "acls: {a: {model: [X, Claude-*, '*']}}\n"));
    let Test::Model(patterns) = &c.acls[0].test else { panic!() };
    assert_eq!(patterns[1], Pattern { text: "claude-".into(), prefix: true });
    assert_eq!(patterns[2], Pattern { text: String::new(), prefix: true });
}

#[test]
fn fallbacks_may_meet_but_not_come_back() {
    let price = "input: 0, output: 0";
    let models = format!(
        "a: {{{price}, fallback: [b, c]}}, b: {{{price}, fallback: d}}, c: {{{price}, fallback: d}}, d: {{{price}}}"
    );
    assert_eq!(load(&small("", &format!("ai: {{models: {{{models}}}}}\n"))).warnings.to_string(), "");
    let back = models.replace("d: {input: 0, output: 0", "d: {input: 0, output: 0, fallback: a");
    let message = wrong(&small("", &format!("ai: {{models: {{{back}}}}}\n")));
    assert!(message.contains("`fallback` leads back: `a`, `b`, `d`, then `a` again"), "{message}");
    assert!(message.contains("1 error"), "{message}");
}

#[test]
fn a_long_chain_of_fallbacks_is_read() {
    let entry = |n: usize| format!("  m{n}: {{input: 0, output: 0, fallback: m{}}}\n", n + 1);
    let chain: String = (0..20_000).map(entry).collect();
    let text = small("", &format!("ai:\n models:\n{chain}  m20000: {{input: 0, output: 0}}\n"));
    assert_eq!(load(&text).ai.models.len(), 20_001);
    let circle = text.replace("m20000: {input: 0, output: 0}", "m20000: {input: 0, output: 0, fallback: m0}");
    assert!(wrong(&circle).contains("`m3`, ..., `m19998`"));
}
